// The official TypeScript client through the gate: makes one call for each line of standard input, and prints its result.
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "typescript", version: "1.0.0" });
await client.connect(new StdioClientTransport({ command, args, env: process.env }));
const { tools } = await client.listTools();
console.log(JSON.stringify(tools.map((tool) => tool.name)));
for await (const line of createInterface({ input: process.stdin })) {
  const { timeout, ...call } = JSON.parse(line);
  try {
    console.log(JSON.stringify(await client.callTool(call, undefined, { timeout })));
  } catch (error) {
    console.log(JSON.stringify({ failed: String(error) }));
  }
}
await client.close();
