// A small app on the stock framework, as its documentation shows how to write one.
"use strict";

const { App, SocketModeReceiver } = require("@slack/bolt");

const clientOptions = { slackApiUrl: `${process.env.API_URL}/` };
const receiver = new SocketModeReceiver({
  appToken: process.env.APP_TOKEN,
  installerOptions: { clientOptions },
  // After so long it opens another connection.
  clientPingTimeout: 500,
});
const app = new App({ token: process.env.BOT_TOKEN, receiver, clientOptions });

app.event("app_mention", async ({ event, say }) => {
  await say({ text: `you called, <@${event.user}>`, thread_ts: event.thread_ts ?? event.ts });
});

app.message(/^echo (.*)/, async ({ message, context, say }) => {
  await say({ text: context.matches[1], thread_ts: message.thread_ts ?? message.ts });
});

app.message("progress", async ({ message, client }) => {
  const said = await client.chat.postMessage({ channel: message.channel, text: "working" });
  await client.assistant.threads.setStatus({ channel_id: message.channel, thread_ts: said.ts, status: "is working" });
  await client.chat.update({ channel: message.channel, ts: said.ts, text: "done" });
});

app.message("private", async ({ message, client }) => {
  await client.chat.postEphemeral({ channel: message.channel, user: message.user, text: "only for you" });
});

app.message("choose", async ({ say }) => {
  const button = { type: "button", action_id: "yes", value: "1", text: { type: "plain_text", text: "Yes" } };
  await say({ text: "Choose", blocks: [{ type: "actions", elements: [button] }] });
});

app.message("who", async ({ message, client, say }) => {
  const { user } = await client.users.info({ user: message.user });
  const { channel } = await client.conversations.info({ channel: message.channel });
  const { messages } = await client.conversations.history({ channel: message.channel, limit: 1 });
  await say(`${user.real_name} in ${channel.name}: ${messages[0].text}`);
});

app.message("upload", async ({ message, client }) => {
  await client.files.uploadV2({ channel_id: message.channel, filename: "a.txt", file: Buffer.from("what it says") });
});

app.message("wrong", async ({ say }) => {
  try {
    await say({ text: "x", blocks: [{ type: "section", text: { type: "mrkdwn", text: "a".repeat(3001) } }] });
  } catch (error) {
    await say(`refused: ${error.data.error}`);
  }
});

app.event("message", async ({ event, client }) => {
  if (event.subtype === "message_changed" && event.message.user !== (await client.auth.test()).user_id) {
    await client.chat.postMessage({ channel: event.channel, text: `changed to ${event.message.text}` });
  } else if (event.subtype === "file_share" && event.files[0].user !== (await client.auth.test()).user_id) {
    const headers = { Authorization: `Bearer ${process.env.BOT_TOKEN}` };
    const answer = await fetch(event.files[0].url_private, { headers });
    await client.chat.postMessage({ channel: event.channel, text: await answer.text() });
  }
});

app.command("/openpact", async ({ command, ack, respond }) => {
  await ack({ text: "one moment" });
  await respond({ text: `you said ${command.text}`, response_type: "in_channel" });
});

app.action("yes", async ({ body, action, ack, client, respond }) => {
  await ack();
  await client.chat.update({ channel: body.channel.id, ts: body.message.ts, text: `chosen: ${action.value}` });
  await respond({ text: "noted" });
});

app.error(async (error) => {
  console.error(error);
  process.exit(1);
});

// The test closes the input when it is done.
process.stdin.resume();
process.stdin.on("end", async () => {
  await app.stop();
  process.exit(0);
});

app.start();
