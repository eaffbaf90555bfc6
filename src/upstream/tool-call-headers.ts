/** The standard headers of calls of one server, made once for each of its tools. */
import { namedParameter, standardHeaders } from '../mcp/modern/headers.ts';
import type { Message } from '../mcp/message.ts';

/** Names come from clients: so many are remembered, and none that is longer. */
const MAX_REMEMBERED = 1_000;
const MAX_REMEMBERED_LENGTH = 256;

export class ToolCallHeaders {
  readonly #byTool = new Map<string, Readonly<Record<string, string>>>();

  /** The same object for calls of the same tool: what is made of it further down is made once. */
  of(message: Message): Readonly<Record<string, string>> {
    const tool = message.method === 'tools/call' ? namedParameter(message) : undefined;
    if (tool === undefined || tool.length > MAX_REMEMBERED_LENGTH) return standardHeaders(message);
    let headers = this.#byTool.get(tool);
    if (headers === undefined) {
      headers = standardHeaders(message);
      if (this.#byTool.size >= MAX_REMEMBERED) this.#byTool.clear();
      this.#byTool.set(tool, headers);
    }
    return headers;
  }
}
