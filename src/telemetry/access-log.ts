/** One line for each message of a client: the same as any other line of the log, made without the general machinery. */
import type { Redactor } from './redaction.ts';

export interface AccessEntry {
  readonly requestId: string;
  /** Subject of the principal. */
  readonly principal: string;
  /** Of the message, or its kind; undefined when it could not be read. */
  readonly method: string | undefined;
  readonly server: string | undefined;
  readonly target: string | undefined;
  /** `ok` or the code of an error. */
  readonly outcome: string;
  readonly ms: number;
}

export interface AccessLogOptions {
  /** False while lines of this severity are not wanted. */
  readonly enabled: () => boolean;
  readonly write: (line: string) => void;
  readonly redactor: Redactor;
}

/** No name: it has the separator in it. */
const MISSING = '\r\n';
const MAX_REMEMBERED = 1_000;
const MAX_RECENT = 8;
/** What clients name themselves is not remembered beyond this. */
const MAX_KEY_LENGTH = 512;

export class AccessLog {
  readonly #options: AccessLogOptions;
  /** What is the same in the lines of many requests, redacted and written as JSON, by all that it is made from. */
  readonly #remembered = new Map<string, string>();
  /** The last of them: to find one there, no key has to be put together. */
  #recent: (AccessEntry & { readonly text: string })[] = [];
  #second = 0;
  #secondText = '';

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  record(entry: AccessEntry): void {
    const { enabled, write } = this.#options;
    if (!enabled()) return;
    const { requestId, ms } = entry;
    const time = this.#time(Date.now());
    const rounded = Math.round(ms * 10) / 10;
    write(
      `{"level":"info","time":"${time}","requestId":"${requestId}"${this.#fields(entry)},"ms":${rounded},"msg":"request"}\n`,
    );
  }

  /** More is secret than before. */
  forget(): void {
    this.#remembered.clear();
    this.#recent = [];
  }

  #fields(entry: AccessEntry): string {
    for (const each of this.#recent) {
      if (each.method !== entry.method || each.target !== entry.target || each.server !== entry.server) continue;
      if (each.principal === entry.principal && each.outcome === entry.outcome) return each.text;
    }
    const { principal, method, server, target, outcome } = entry;
    const key = `${principal}\n${method ?? MISSING}\n${server ?? MISSING}\n${target ?? MISSING}\n${outcome}`;
    const known = this.#remembered.get(key);
    const text = known ?? this.#write(entry);
    if (known === undefined) {
      // A name with the separator in it could make the key of others.
      const isSafe = ![principal, method, server, target, outcome].some((value) => value?.includes('\n') === true);
      if (!isSafe || key.length > MAX_KEY_LENGTH) return text;
      if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, text);
    }
    if (this.#recent.length >= MAX_RECENT) this.#recent.pop();
    this.#recent.unshift({ ...entry, text });
    return text;
  }

  #write({ principal, method, server, target, outcome }: AccessEntry): string {
    const { redactor } = this.#options;
    let text = '';
    for (const [name, value] of Object.entries({ principal, method, server, target, outcome })) {
      if (value !== undefined) text += `,"${name}":${JSON.stringify(redactor.text(value))}`;
    }
    return text;
  }

  /** ISO 8601 with milliseconds; only those change from line to line. */
  #time(now: number): string {
    const milliseconds = now % 1_000;
    if (now - milliseconds !== this.#second) {
      this.#second = now - milliseconds;
      this.#secondText = new Date(this.#second).toISOString().slice(0, 20);
    }
    return `${this.#secondText}${String(milliseconds).padStart(3, '0')}Z`;
  }
}
