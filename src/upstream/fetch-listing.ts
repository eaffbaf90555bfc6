/** Reads a listing of a server to its last page. */
import { readPage, type Listing, type ListingItem, type ListingPage, type ListingRow } from '../mcp/listing.ts';
import { isObject, resultText, type JsonObject, type Message } from '../mcp/message.ts';
import { GatewayError } from '../shared/errors.ts';

/** Beyond these a server is not listing but flooding. */
const MAX_PAGES = 1_000;
const MAX_ITEMS = 100_000;
const MAX_LENGTH = 32 * 1024 * 1024;
const METHOD_NOT_FOUND = -32601;

/**
 * Follows the cursors of a listing to the end. A server without the capability has an empty listing, and so has one
 * that has resources but does not know templates. Rejects with `server_protocol_error` for an error, a page that is
 * not a listing, or a cursor that comes back (it would never end).
 */
export async function fetchListing(
  server: string,
  row: ListingRow,
  capabilities: JsonObject,
  ask: (params: string | undefined) => Promise<Message>,
): Promise<Listing> {
  const empty: Listing = { frame: `{"${row.kind}":[]}`, items: [] };
  if (!isObject(capabilities[row.capability])) return empty;
  const fail = (detail: string): GatewayError =>
    new GatewayError('server_protocol_error', `${row.method} of server "${server}" failed: ${detail}`, {
      server,
      detail,
    });

  const items: ListingItem[] = [];
  const seen = new Set<string>();
  let frame: string | undefined;
  let cursor: string | undefined;
  let length = 0;
  do {
    const answer = await ask(cursor === undefined ? undefined : `{"cursor":${JSON.stringify(cursor)}}`);
    const error = answer.value['error'];
    if (isObject(error)) {
      if (error['code'] === METHOD_NOT_FOUND && cursor === undefined) return empty;
      throw fail(`${String(error['message'])} (${String(error['code'])})`);
    }
    const text = resultText(answer) ?? '';
    length += text.length;
    if (length > MAX_LENGTH) throw fail(`the listing is longer than ${MAX_LENGTH} characters`);
    const page = readPageOf(text, row, fail);
    if (page === undefined) throw fail(`the result has no list "${row.kind}" whose items have a "${row.key}"`);
    frame ??= page.frame;
    items.push(...page.items);
    cursor = page.nextCursor;
    if (cursor !== undefined && seen.has(cursor)) throw fail('a page names a cursor that was used before');
    if (cursor !== undefined) seen.add(cursor);
    if (seen.size >= MAX_PAGES || items.length > MAX_ITEMS)
      throw fail(`more than ${MAX_PAGES} pages or ${MAX_ITEMS} items`);
  } while (cursor !== undefined);
  return { frame, items };
}

/** What is wrong with the text of a server is the fault of the server, not of the client that asked for the listing. */
function readPageOf(text: string, row: ListingRow, fail: (detail: string) => GatewayError): ListingPage | undefined {
  try {
    return readPage(text, row);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
}
