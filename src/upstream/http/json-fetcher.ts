/** Fetches small JSON documents that the gateway itself needs, such as the keys of a token issuer. */
import type { Connector } from './connector.ts';
import { discard } from './discard.ts';
import { readText } from './read-answer.ts';

const TIMEOUT_MS = 10_000;
const MAX_BYTES = 256 * 1024;

export interface JsonConnectors {
  /** For what an operator has written. */
  readonly trusted: Connector;
  /** For what the answer of somebody else has named. */
  readonly guarded: Connector;
}

/**
 * GET of a URL, parsed as JSON. It follows no redirect: the document must be where it is said to be. What `namedBy`
 * names within its own origin is trusted like itself.
 */
export function jsonFetcher({ trusted, guarded }: JsonConnectors): (url: URL, namedBy?: URL) => Promise<unknown> {
  return async (url, namedBy = url) => {
    const answer = await (url.origin === namedBy.origin ? trusted : guarded).request({
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
