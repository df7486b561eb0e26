// Lists and calls with the TypeScript SDK: `client.mjs http URL TOKEN` or `client.mjs stdio COMMAND ARGUMENTS…`.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [kind, ...rest] = process.argv.slice(2);
const transport =
  kind === "http"
    ? new StreamableHTTPClientTransport(new URL(rest[0]), {
        requestInit: { headers: { Authorization: `Bearer ${rest[1]}` } },
      })
    : new StdioClientTransport({ command: rest[0], args: rest.slice(1) });
const client = new Client({ name: "test", version: "1" });
await client.connect(transport);
const { tools } = await client.listTools();
const told = { tools: tools.length, names: tools.map((tool) => tool.name) };
if (told.names.includes("test_add")) {
  const answer = await client.callTool({ name: "test_add", arguments: { a: 2, b: 3 } });
  told.sum = answer.structuredContent.sum;
  told.progress = [];
  await client.callTool({ name: "test_tool_with_progress", arguments: {} }, undefined, {
    onprogress: ({ progress }) => told.progress.push(progress),
  });
} else {
  const answer = await client.callTool({ name: "workspace_list", arguments: {} });
  told.failed = answer.isError ?? false;
}
await client.close();
console.log(JSON.stringify(told));
