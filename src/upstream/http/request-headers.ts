/** The headers that an operator configured for a server, made fit to stand beside those of the protocol. */

export interface ConfiguredHeaders {
  /** By lower-case name. Values are secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** Names that were left out because the protocol or the connection sets them itself. */
  readonly ignored: readonly string[];
  /** Why no request can be sent with these headers; never holds a value. */
  readonly problem: string | undefined;
}

/** Set by the gateway for each request, or a matter of one connection only (RFC 9110, section 7.6.1). */
const RESERVED = new Set([
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'http2-settings',
  'keep-alive',
  'last-event-id',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** One line of visible characters, spaces and tabs, as RFC 9110 section 5.5 allows. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** Checks the configured headers and takes the reserved ones out. User and password of the URL become a header of their own. */
export function configuredHeaders(url: URL, configured: Readonly<Record<string, string>>): ConfiguredHeaders {
  const headers: Record<string, string> = { 'user-agent': 'gatehouse' };
  const basic = basicAuthorization(url);
  if (basic !== undefined) headers['authorization'] = basic;
  const ignored: string[] = [];
  let problem: string | undefined;
  for (const [name, value] of Object.entries(configured)) {
    const lower = name.toLowerCase();
    problem ??= headerProblem(name, value);
    if (RESERVED.has(lower) || lower.startsWith('mcp-')) ignored.push(name);
    else headers[lower] = value.trim();
  }
  return { headers, ignored, problem };
}

function headerProblem(name: string, value: string): string | undefined {
  const named = `the configured header ${JSON.stringify(name)}`;
  if (!TOKEN.test(name)) return `${named} has a name that HTTP does not allow`;
  if (!VALUE.test(value)) return `${named} has a value with characters that HTTP does not allow`;
  if (name.toLowerCase() === 'host' && !HOST.test(value))
    return `${named} must be a host name or address, with an optional port`;
  return undefined;
}

/** User and password in the URL, as a header; undici does not look at them. */
function basicAuthorization({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(text).toString('base64')}`;
}
