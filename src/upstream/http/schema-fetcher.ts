/** Fetches JSON Schemas of custom server types over https, with bounds on time, size, tries and redirects. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SchemaFetcher } from '../../config/build/schema-fetcher.ts';
import { plainIdentity, type UpstreamIdentity } from '../../tls/upstream-identity.ts';
import { Connector } from './connector.ts';
import { discard } from './discard.ts';
import { AnswerTooLargeError } from './http-errors.ts';
import { readText } from './read-answer.ts';

export interface SchemaFetcherOptions {
  /** Whom to trust; default: the authorities of the system. */
  readonly identity?: UpstreamIdentity;
  /** Milliseconds before the second, third, … try. */
  readonly retryDelaysMs?: readonly number[];
  /** Milliseconds for one try. */
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

const MAX_REDIRECTS = 5;

/** A fault that another try will not mend. */
class FinalError extends Error {}

/** A fetcher with three tries of ten seconds, one and two seconds apart, and a limit of 10 MiB, unless told otherwise. */
export function schemaFetcher(options: SchemaFetcherOptions = {}): SchemaFetcher {
  const { retryDelaysMs = [1000, 2000], timeoutMs = 10_000, maxBytes = 10 * 1024 * 1024 } = options;
  return async (url) => {
    const identity = options.identity ?? (await plainIdentity());
    await using connector = new Connector({ connectTimeoutMs: timeoutMs, identity });
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await fetchOnce(url, connector, timeoutMs, maxBytes);
      } catch (cause) {
        const delay = retryDelaysMs[attempt];
        if (cause instanceof FinalError || delay === undefined) {
          throw new Error(
            `fetching ${url.href} failed after ${attempt + 1} ${attempt === 0 ? 'try' : 'tries'}: ${reasonOf(cause)}`,
            { cause },
          );
        }
        await sleep(delay);
      }
    }
  };
}

async function fetchOnce(start: URL, connector: Connector, timeoutMs: number, maxBytes: number): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await connector.request({
      url,
      method: 'GET',
      headers: { accept: 'application/schema+json, application/json' },
      signal,
      headersTimeoutMs: timeoutMs,
      bodyTimeoutMs: timeoutMs,
      redirect: 'manual',
    });
    const { status } = response;
    const location = response.header('location');
    if (status >= 300 && status < 400 && location !== undefined) {
      discard(response.body);
      url = new URL(location, url);
      if (url.protocol !== 'https:') throw new FinalError(`it redirects to ${url.origin}, which does not use HTTPS`);
      // The operator chose this origin; what it points to may be anything, also inside.
      if (url.origin !== start.origin)
        throw new FinalError(`it redirects to another origin, ${url.origin}; register the final address`);
      continue;
    }
    if (status !== 200) {
      discard(response.body);
      const mayPass = status >= 500 || status === 408 || status === 429;
      throw mayPass ? new Error(`HTTP status ${status}`) : new FinalError(`HTTP status ${status}`);
    }
    try {
      return await readText(response, maxBytes);
    } catch (error) {
      throw error instanceof AnswerTooLargeError ? new FinalError(`it is larger than ${maxBytes} bytes`) : error;
    }
  }
  throw new FinalError(`it redirects more than ${MAX_REDIRECTS} times`);
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === 'TimeoutError') return 'it took too long';
  return cause.message === '' ? cause.name : cause.message;
}
