/** A registration as clients of IBM ContextForge send it, in the words of this API. */
import { isFields } from '../compatibility.ts';
import { invalidInput, type FieldError } from '../http/problem.ts';

type Fields = Readonly<Record<string, unknown>>;

const RENAMED: Readonly<Record<string, string>> = {
  team_id: 'team',
  owner_email: 'owner',
  passthrough_headers: 'passthroughHeaders',
};

const TLS: Readonly<Record<string, string>> = { ca_certificate: 'ca', client_cert: 'cert', client_key: 'key' };

const AUTH = [
  'auth_type',
  'auth_username',
  'auth_password',
  'auth_token',
  'auth_header_key',
  'auth_header_value',
  'auth_headers',
  'auth_query_param_key',
  'auth_query_param_value',
  'auth_value',
] as const;

/** Fields that may be there as long as they ask for nothing, with the values that do not. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  one_time_auth: [false],
  gateway_mode: ['cache'],
  oauth_config: [{}],
  ca_certificate_sig: [''],
  signing_algorithm: ['', 'ed25519'],
  identity_propagation: [{}],
};

const REFRESH = 'refresh_interval_seconds';

const TRANSPORTS = ['SSE', 'STREAMABLEHTTP', 'STREAMABLE_HTTP', 'HTTP+SSE'];

/** The same for a change, where each of the flat fields of certificates is changed alone. */
export function gatewayChangeOfContextForge(body: unknown): unknown {
  return gatewayOfContextForge(body, 'tlsChange');
}

/** Bodies in our own words pass as they are. Throws `invalid_input` for what cannot be translated. */
export function gatewayOfContextForge(body: unknown, tlsField: 'tls' | 'tlsChange' = 'tls'): unknown {
  if (!isFields(body)) return body;
  const errors: FieldError[] = [];
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (
      Object.hasOwn(TLS, name) ||
      (AUTH as readonly string[]).includes(name) ||
      name === 'transport' ||
      name === REFRESH ||
      Object.hasOwn(NEUTRAL, name)
    )
      continue;
    const ours = (Object.hasOwn(RENAMED, name) ? RENAMED[name] : undefined) ?? name;
    Object.defineProperty(result, ours, { value, enumerable: true, configurable: true, writable: true });
  }
  const type = body['type'];
  if (typeof type === 'string') result['type'] = type.trim().toLowerCase();
  else if (type === undefined && typeof body['url'] === 'string') result['type'] = 'http';
  else if (type === undefined && typeof body['container'] === 'string') result['type'] = 'stdio';
  addTls(body, result, tlsField, errors);
  addAuth(body, result, errors);
  checkTransport(body['transport'], errors);
  addRefresh(body, result);
  for (const [name, allowed] of Object.entries(NEUTRAL)) {
    const value = body[name];
    if (value === undefined || value === null || isAmong(value, allowed)) continue;
    errors.push({ pointer: `/${name}`, detail: 'is not supported', remedy: 'Leave it out.' });
  }
  const [first, ...more] = errors;
  if (first !== undefined) throw invalidInput([first, ...more]);
  return result;
}

function addTls(
  body: Fields,
  result: Record<string, unknown>,
  tlsField: 'tls' | 'tlsChange',
  errors: FieldError[],
): void {
  const isGone = (value: unknown): boolean => value === null && tlsField === 'tls';
  const given = Object.entries(TLS).filter(([name]) => body[name] !== undefined && !isGone(body[name]));
  if (given.length === 0) return;
  if (['tls', 'tlsChange', 'tls_config', 'tlsConfig'].some((name) => body[name] !== undefined)) {
    errors.push({
      pointer: `/${given[0]?.[0] ?? ''}`,
      detail: "says the same as 'tls'",
      remedy: "Give certificates either inside 'tls' or as ca_certificate, client_cert and client_key.",
    });
    return;
  }
  result[tlsField] = Object.fromEntries(given.map(([name, field]) => [field, body[name]]));
}

function addAuth(body: Fields, result: Record<string, unknown>, errors: FieldError[]): void {
  const type = body['auth_type'];
  if (type === undefined || type === null || type === '') {
    for (const name of AUTH) {
      if (name === 'auth_type' || body[name] === undefined || body[name] === null) continue;
      errors.push({ pointer: `/${name}`, detail: "needs 'auth_type'", remedy: `Add "auth_type", or leave it out.` });
    }
    return;
  }
  const text = (name: (typeof AUTH)[number]): string => {
    const value = body[name];
    if (typeof value === 'string' && value !== '') return value;
    errors.push({ pointer: `/${name}`, detail: 'is missing or no text', remedy: `It belongs to this 'auth_type'.` });
    return '';
  };
  switch (type) {
    case 'none':
      // Those that were given before go, too: headers are credentials to clients of ContextForge.
      if (result['headers'] === undefined) result['headers'] = null;
      return;
    case 'basic': {
      const pair = Buffer.from(`${text('auth_username')}:${text('auth_password')}`).toString('base64');
      return addHeaders(result, { Authorization: `Basic ${pair}` });
    }
    case 'bearer':
      return addHeaders(result, { Authorization: `Bearer ${text('auth_token')}` });
    case 'authheaders':
      return addHeaders(result, authHeaders(body, text, errors));
    case 'query_param': {
      const before = isFields(result['query']) ? result['query'] : {};
      result['query'] = { ...before, [text('auth_query_param_key')]: text('auth_query_param_value') };
      return;
    }
    default:
      errors.push({
        pointer: '/auth_type',
        detail: 'is none of basic, bearer, authheaders, query_param, none',
        remedy: 'Use one of them.',
      });
  }
}

function authHeaders(
  body: Fields,
  text: (name: (typeof AUTH)[number]) => string,
  errors: FieldError[],
): Readonly<Record<string, string>> {
  const list = body['auth_headers'];
  if (list === undefined || list === null) return { [text('auth_header_key')]: text('auth_header_value') };
  const headers: Record<string, string> = {};
  for (const [index, entry] of (Array.isArray(list) ? (list as unknown[]) : [undefined]).entries()) {
    const { key, value } = isFields(entry) ? entry : {};
    if (typeof key === 'string' && typeof value === 'string') headers[key] = value;
    else
      errors.push({
        pointer: Array.isArray(list) ? `/auth_headers/${index}` : '/auth_headers',
        detail: 'is not {"key": …, "value": …}',
        remedy: 'Write name and value of each header as text.',
      });
  }
  return headers;
}

function addHeaders(result: Record<string, unknown>, headers: Readonly<Record<string, string>>): void {
  result['headers'] = { ...(isFields(result['headers']) ? result['headers'] : {}), ...headers };
}

function addRefresh(body: Fields, result: Record<string, unknown>): void {
  const seconds = body[REFRESH];
  if (seconds === undefined || seconds === null) return;
  result['health'] = { refreshInterval: seconds, ...(isFields(result['health']) ? result['health'] : {}) };
}

/** The wire is found out by asking the server; this only says what could not be meant. */
function checkTransport(value: unknown, errors: FieldError[]): void {
  if (value === undefined || value === null) return;
  if (typeof value === 'string' && TRANSPORTS.includes(value.toUpperCase())) return;
  errors.push({
    pointer: '/transport',
    detail: 'is neither SSE nor STREAMABLEHTTP',
    remedy: 'Leave it out: the gateway finds out which of the two the server speaks. Other servers run in containers.',
  });
}

function isAmong(value: unknown, allowed: readonly unknown[]): boolean {
  return allowed.some((each) => JSON.stringify(each) === JSON.stringify(value));
}
