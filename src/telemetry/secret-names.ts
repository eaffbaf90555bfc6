/** Tells from the name of a field whether its value is a secret. */

/** `all`: whatever the value is. `text`: only strings, because numbers under such a name are counts. `none`: not a secret. */
export type NameRule = 'all' | 'text' | 'none';

const SECRET_WORDS = new Set([
  'authorization',
  'bearer',
  'password',
  'passwd',
  'passphrase',
  'pwd',
  'secret',
  'secrets',
  'apikey',
  'cookie',
  'cookies',
  'credential',
  'credentials',
  'jwt',
  'otp',
]);

/** Endings of names written without word borders, such as `accesstoken`. */
const SECRET_ENDINGS = ['authorization', 'password', 'secret', 'apikey', 'cookie', 'agentid', 'agentids'];

/** Words before `key` that say that the key opens nothing. */
const PLAIN_KEYS = new Set([
  'public',
  'primary',
  'foreign',
  'sort',
  'cache',
  'idempotency',
  'partition',
  'object',
  'error',
]);

/** Names that end in `token` and are positions or labels: the progress token of MCP and the cursors of many APIs. */
const PLAIN_TOKENS = new Set([
  'progresstoken',
  'pagetoken',
  'nextpagetoken',
  'continuationtoken',
  'nexttoken',
  'continuetoken',
]);

const MAX_REMEMBERED = 2_000;
const MAX_NAME_LENGTH = 128;
const remembered = new Map<string, NameRule>();

/** The rule for a field of this name; spelling (`api_key`, `apiKey`, `X-Api-Key`) does not matter. */
export function nameRule(name: string): NameRule {
  const known = remembered.get(name);
  if (known !== undefined) return known;
  const rule = decide(name.slice(-MAX_NAME_LENGTH));
  // Names come from the network too: the memory of them has to stay small.
  if (remembered.size < MAX_REMEMBERED && name.length <= MAX_NAME_LENGTH) remembered.set(name, rule);
  return rule;
}

function decide(name: string): NameRule {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
  const last = words.at(-1) ?? '';
  const whole = words.join('');
  if (SECRET_WORDS.has(last) || SECRET_ENDINGS.some((ending) => whole.endsWith(ending))) return 'all';
  if (last === 'key' && words.length > 1) return PLAIN_KEYS.has(words.at(-2) ?? '') ? 'none' : 'all';
  if (whole.endsWith('token') || last === 'tokens') return PLAIN_TOKENS.has(whole) ? 'none' : 'text';
  return 'none';
}
