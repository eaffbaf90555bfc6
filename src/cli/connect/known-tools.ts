/** The tools that a client has listed, for the arguments that they want in headers. */
import { listingOf, readPage } from '../../mcp/listing.ts';
import { resultText, type Json, type Message } from '../../mcp/message.ts';
import { paramHeaders, type ParamHeader } from '../../mcp/modern/param-headers.ts';
import { declaredHeaders } from '../../mcp/modern/tool-headers.ts';

/** A listing that is longer belongs to no honest server. */
const MOST_TOOLS = 100_000;

export class KnownTools {
  readonly #headers = new Map<string, readonly ParamHeader[]>();

  has(tool: string): boolean {
    return this.#headers.has(tool);
  }

  /** Takes note of the tools in an answer, if it is a page of such. */
  learn(answer: Message): void {
    const row = listingOf('tools/list');
    const page = row && readPage(resultText(answer) ?? '{}', row);
    if (this.#headers.size > MOST_TOOLS) this.#headers.clear();
    for (const item of page?.items ?? []) this.#headers.set(item.key, declaredHeaders(item));
  }

  /** The headers for a call, by lower-case name. */
  headers(tool: string, args: Json | undefined): Record<string, string> {
    return paramHeaders(this.#headers.get(tool) ?? [], args);
  }
}
