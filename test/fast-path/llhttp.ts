/** The parser of node:http by itself: what it makes of the bytes at the beginning of a connection. */
import { createRequire } from 'node:module';

export interface LlhttpRequest {
  readonly method: string;
  readonly url: string;
  /** Name, value, name, value, … */
  readonly headers: readonly string[];
  readonly body: Buffer;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
}

interface Parser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  execute(bytes: Buffer): number | Error;
  /** Frees its memory outside the heap, which nothing else ever does. */
  close(): void;
  [callback: number]: unknown;
}

interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

const { HTTPParser, methods } = createRequire(import.meta.url)('node:_http_common') as {
  readonly HTTPParser: ParserClass;
  readonly methods: readonly string[];
};

/** The requests that are complete, and whether what follows them is refused. */
export function readWithLlhttp(bytes: Buffer): {
  readonly requests: readonly LlhttpRequest[];
  readonly refused: boolean;
} {
  const requests: LlhttpRequest[] = [];
  let headers: string[] = [];
  let body: Buffer[] = [];
  let head: Omit<LlhttpRequest, 'headers' | 'body'> | undefined;
  const parser = new HTTPParser();
  parser.initialize(HTTPParser.REQUEST, {}, 16 * 1024, 0);
  parser[HTTPParser.kOnHeaders] = (more: string[]) => void headers.push(...more);
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    _minor: number,
    more: string[] | undefined,
    method: number,
    url: string,
    _status: undefined,
    _message: undefined,
    upgrade: boolean,
    keepAlive: boolean,
  ) => {
    headers.push(...(more ?? []));
    head = { method: methods[method] ?? '', url, keepAlive, upgrade };
    return 0;
  };
  parser[HTTPParser.kOnBody] = (chunk: Buffer) => void body.push(Buffer.from(chunk));
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (head !== undefined) requests.push({ ...head, headers, body: Buffer.concat(body) });
    [headers, body, head] = [[], [], undefined];
  };
  const refused = typeof parser.execute(bytes) !== 'number';
  parser.close();
  return { requests, refused };
}
