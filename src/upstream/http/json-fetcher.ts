/** Fetches small JSON documents that the gateway itself needs, such as the keys of a token issuer. */
import { type Connector, discard } from './connector.ts';
import { readText } from './read-answer.ts';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 256 * 1024;

/** GET of a URL, parsed as JSON. It follows no redirect: the document must be where it is said to be. */
export function jsonFetcher(connector: Connector): (url: URL) => Promise<unknown> {
  return async (url) => {
    const answer = await connector.request({
      url,
      method: 'GET',
      headers: { accept: 'application/json', 'user-agent': 'gatehouse' },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headersTimeoutMs: TIMEOUT_MS,
      bodyTimeoutMs: TIMEOUT_MS,
      redirect: 'manual',
    });
    if (answer.status === 200) {
      const document: unknown = JSON.parse(await readText(answer, MAX_BYTES));
      return document;
    }
    discard(answer.body);
    throw new Error(`${url.origin} answered HTTP ${answer.status}`);
  };
}
