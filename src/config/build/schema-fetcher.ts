/** Fetches JSON Schemas of custom server types over https, with bounds on time, size, tries and redirects. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** Resolves with the text of the document; rejects with an Error whose message says what went wrong. */
export type SchemaFetcher = (url: URL) => Promise<string>;

export interface SchemaFetcherOptions {
  /** Certificate authorities in PEM, in place of those of the system. */
  readonly ca?: string;
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
export function httpsSchemaFetcher(options: SchemaFetcherOptions = {}): SchemaFetcher {
  const { retryDelaysMs = [1000, 2000], timeoutMs = 10_000, maxBytes = 10 * 1024 * 1024 } = options;
  return async (url) => {
    const agent = new Agent({
      connect: { timeout: timeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    });
    try {
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await fetchOnce(url, agent, timeoutMs, maxBytes);
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
    } finally {
      await agent.destroy();
    }
  };
}

async function fetchOnce(start: URL, agent: Agent, timeoutMs: number, maxBytes: number): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await request(url, {
      dispatcher: agent,
      signal,
      headers: { accept: 'application/schema+json, application/json' },
    });
    const { statusCode, headers, body } = response;
    if (statusCode >= 300 && statusCode < 400 && typeof headers['location'] === 'string') {
      await body.dump();
      url = new URL(headers['location'], url);
      if (url.protocol !== 'https:') throw new FinalError(`it redirects to ${url.origin}, which does not use HTTPS`);
      continue;
    }
    if (statusCode !== 200) {
      await body.dump();
      const mayPass = statusCode >= 500 || statusCode === 408 || statusCode === 429;
      throw mayPass ? new Error(`HTTP status ${statusCode}`) : new FinalError(`HTTP status ${statusCode}`);
    }
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxBytes) throw new FinalError(`it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString('utf8');
  }
  throw new FinalError(`it redirects more than ${MAX_REDIRECTS} times`);
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  if (cause.name === 'TimeoutError') return 'it took too long';
  return cause.message === '' ? cause.name : cause.message;
}
