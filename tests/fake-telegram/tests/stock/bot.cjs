// A small bot on a stock client of the Bot API, as its documentation shows how to write one.
"use strict";

const { Bot, GrammyError, InlineKeyboard } = require("grammy");

const bot = new Bot(process.env.TOKEN, { client: { apiRoot: process.env.BASE_URL } });
const seen = [];

bot.use(async (context, next) => {
  seen.push(Object.keys(context.update).find((key) => key !== "update_id"));
  await next();
});

bot.command("html", (context) =>
  context.reply(`<b>${context.match}</b> &amp; <a href="https://example.com/">more</a>`, {
    parse_mode: "HTML",
    link_preview_options: { is_disabled: true },
    reply_parameters: { message_id: context.msg.message_id },
  }),
);

bot.command("markdown", (context) => context.reply(`*${context.match}* \`code\`\\.`, { parse_mode: "MarkdownV2" }));

bot.command("broken", async (context) => {
  try {
    await context.reply("<b>open", { parse_mode: "HTML" });
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error;
    await context.reply(`${error.error_code} ${error.description}`);
  }
});

bot.command("flood", async (context) => {
  try {
    await context.reply("too much");
  } catch (error) {
    await context.reply(`${error.error_code}, wait ${error.parameters.retry_after}`);
  }
});

bot.command("buttons", (context) =>
  context.reply("Choose", { reply_markup: new InlineKeyboard().text("Yes", "yes").text("No", "no") }),
);

bot.on("callback_query:data", async (context) => {
  await context.answerCallbackQuery({ text: "Noted" });
  await context.editMessageText(`You chose ${context.callbackQuery.data}`);
});

bot.command("file", async (context) => {
  const file = await context.api.getFile(context.msg.reply_to_message.document.file_id);
  const answer = await fetch(`${process.env.BASE_URL}/file/bot${bot.token}/${file.file_path}`);
  await context.reply(await answer.text());
});

bot.command("seen", (context) => context.reply(seen.join(" ")));
bot.command("stop", async () => {
  await bot.stop();
});

bot.on("edited_message:text", (context) => context.reply(`changed to ${context.msg.text}`));
bot.on("message:text", async (context) => {
  await context.replyWithChatAction("typing");
  await context.reply(context.msg.text, { message_thread_id: context.msg.message_thread_id });
});

bot.catch((error) => {
  console.error(error);
  process.exit(1);
});

(async () => {
  await bot.api.setMyCommands([{ command: "html", description: "Says it in HTML" }]);
  await bot.start({ drop_pending_updates: true, allowed_updates: [] });
})();
