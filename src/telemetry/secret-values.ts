/** Finds known secret values inside any text, whatever wrote them there. */

/** Shorter values would turn ordinary words into `[redacted]` and protect nothing. */
const MIN_LENGTH = 6;
/** Lines of a multi-line secret, such as a PEM key, are matched one by one, because logs are read line by line. */
const MIN_LINE_LENGTH = 16;

/** Tokens that are renewed come again and again with a new value; the oldest ones have long expired by then. */
const MAX_FORMS = 10_000;

/** Values that configurations pass as environment or headers and that are no secrets. */
const PLAIN_VALUES = new Set([
  'application/json',
  'text/event-stream',
  'application/json, text/event-stream',
  'text/plain',
  'localhost',
  '127.0.0.1',
  '0.0.0.0',
  'production',
  'development',
  'default',
  'enabled',
  'disabled',
  'console',
  'Bearer',
]);

export const REDACTED = '[redacted]';

export interface SecretValues {
  /** Adds values; each is also found URL-encoded, JSON-escaped, and without its `Bearer ` or `Basic ` prefix. */
  add(values: Iterable<string>): void;
  /** The text with every known value replaced. Returns the same string when it holds none. */
  replace(text: string): string;
}

export function createSecretValues(): SecretValues {
  const known = new Set<string>();
  let matcher: RegExp | undefined;

  return {
    add(values) {
      const before = known.size;
      for (const value of values) for (const form of formsOf(value)) known.add(form);
      if (known.size === before) return;
      for (const oldest of known) {
        if (known.size <= MAX_FORMS) break;
        known.delete(oldest);
      }
      // Longest first, so that a secret that begins like another one is not left behind by half.
      const longestFirst = [...known].sort((a, b) => b.length - a.length);
      matcher = new RegExp(longestFirst.map((form) => RegExp.escape(form)).join('|'), 'g');
    },
    replace(text) {
      if (matcher === undefined || text.length < MIN_LENGTH) return text;
      return text.replace(matcher, REDACTED);
    },
  };
}

function formsOf(value: string): readonly string[] {
  const trimmed = value.trim();
  const bare = trimmed.replace(/^(?:bearer|basic|token)\s+/i, '');
  const lines = trimmed.includes('\n')
    ? trimmed.split(/\r?\n/).filter((line) => line.trim().length >= MIN_LINE_LENGTH)
    : [];
  return [trimmed, bare, ...lines.map((line) => line.trim())]
    .filter((text) => text.length >= MIN_LENGTH && !PLAIN_VALUES.has(text))
    .flatMap((text) => [text, JSON.stringify(text).slice(1, -1), urlEncoded(text)]);
}

function urlEncoded(text: string): string {
  // A lone surrogate cannot be encoded and cannot have come over HTTP in that form either.
  return text.isWellFormed() ? encodeURIComponent(text) : text;
}
