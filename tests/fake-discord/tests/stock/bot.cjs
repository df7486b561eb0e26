// A small bot on a stock client of Discord, as its documentation shows how to write one.
"use strict";

const {
  ActionRowBuilder,
  ButtonBuilder,
  ButtonStyle,
  Client,
  DiscordAPIError,
  EmbedBuilder,
  Events,
  GatewayIntentBits,
  MessageFlags,
  Partials,
  SlashCommandBuilder,
} = require("discord.js");

const intents = [
  GatewayIntentBits.Guilds,
  GatewayIntentBits.GuildMessages,
  GatewayIntentBits.DirectMessages,
  GatewayIntentBits.MessageContent,
];
const client = new Client({
  intents,
  partials: [Partials.Channel],
  rest: { api: process.env.API, retries: 1 },
  allowedMentions: { parse: [], repliedUser: false },
});

const commands = [
  new SlashCommandBuilder()
    .setName("echo")
    .setDescription("Says it again")
    .addStringOption((option) => option.setName("text").setDescription("What").setRequired(true)),
  new SlashCommandBuilder().setName("slow").setDescription("Takes its time"),
];

client.once(Events.ClientReady, async () => {
  await client.application.commands.set(commands);
  console.error(`ready as ${client.user.tag}`);
});

const words = {
  buttons: (message) => {
    const yes = new ButtonBuilder().setCustomId("yes").setLabel("Yes").setStyle(ButtonStyle.Primary);
    const no = new ButtonBuilder().setCustomId("no").setLabel("No").setStyle(ButtonStyle.Danger);
    return message.reply({ content: "Choose", components: [new ActionRowBuilder().addComponents(yes, no)] });
  },
  embed: (message) => {
    const embed = new EmbedBuilder().setTitle("A title").setDescription("What it says").setColor(0x123456);
    return message.reply({ embeds: [embed] });
  },
  edit: async (message) => {
    const sent = await message.reply("before");
    await sent.edit("after");
  },
  delete: async (message) => {
    const sent = await message.reply("gone soon");
    await sent.delete();
  },
  file: async (message) => {
    const answer = await fetch(message.attachments.first().url);
    const said = await answer.text();
    await message.reply({ content: "read", files: [{ attachment: Buffer.from(said), name: "copy.txt" }] });
  },
  thread: async (message) => {
    const thread = await message.startThread({ name: "Aside" });
    await thread.send("in the thread");
  },
  long: async (message) => {
    try {
      await message.channel.send("x".repeat(2001));
    } catch (error) {
      if (!(error instanceof DiscordAPIError)) throw error;
      await message.reply(`${error.status} ${error.code}`);
    }
  },
  typing: async (message) => {
    await message.channel.sendTyping();
    await message.reply("typed");
  },
  nonce: async (message) => {
    const twice = { content: "once", nonce: "n1", enforceNonce: true };
    const [first, second] = [await message.channel.send(twice), await message.channel.send(twice)];
    await message.reply(String(first.id === second.id));
  },
  stop: async () => {
    await client.destroy();
    process.exit(0);
  },
};

client.on(Events.MessageCreate, async (message) => {
  if (message.author.bot || message.system) return;
  const word = message.content.replace(/<@\d+>/g, "").trim();
  if (message.messageSnapshots.size > 0) await message.reply(`read ${message.messageSnapshots.first().content}`);
  else if (words[word]) await words[word](message);
  else await message.reply(`heard ${word}`);
});

client.on(Events.MessageUpdate, async (_, message) => {
  if (message.author.bot || message.hasThread) return;
  await message.reply(`changed to ${message.content}`);
});

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isButton()) {
    await interaction.update({ content: `You chose ${interaction.customId}`, components: [] });
  } else if (interaction.commandName === "slow") {
    await interaction.deferReply({ flags: MessageFlags.Ephemeral });
    await interaction.editReply("there");
    await interaction.followUp("and more");
  } else {
    await interaction.reply({ content: interaction.options.getString("text"), flags: MessageFlags.Ephemeral });
  }
});

client.on(Events.ShardResume, (shard, replayed) => console.error(`resumed, ${replayed} replayed`));
client.on(Events.Error, (error) => console.error(error));
process.on("unhandledRejection", (error) => {
  console.error(error);
  process.exit(1);
});

client.login(process.env.TOKEN).catch((error) => {
  console.error(String(error));
  process.exit(2);
});
