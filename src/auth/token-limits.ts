/** From where and when an API token may be used. */
import { BlockList, isIP } from 'node:net';
import type { TokenHours, TokenRecord } from '../store/store.ts';

export interface TokenLimits {
  /** Why the token may not be used from this address at this time (ms since the epoch); undefined = it may. */
  refusal(address: string | undefined, now: number): string | undefined;
  /** False while it may be used from nowhere. */
  allowsTime(now: number): boolean;
}

const NO_LIMITS: TokenLimits = { refusal: () => undefined, allowsTime: () => true };
const MINUTE_MS = 60_000;
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** Throws an Error for limits that nobody can understand: such a token opens nothing. */
export function limitsOf({ addresses, hours }: Pick<TokenRecord, 'addresses' | 'hours'>): TokenLimits {
  if (addresses === undefined && hours === undefined) return NO_LIMITS;
  const allowed = addresses === undefined ? undefined : rangesOf(addresses);
  const clock = hours === undefined ? undefined : new Clock(hours);
  return {
    refusal(address, now) {
      if (allowed !== undefined && !contains(allowed, address))
        return 'The token may not be used from this network address.';
      if (clock?.allows(now) === false) return 'The token may not be used at this time.';
      return undefined;
    },
    allowsTime: (now) => clock?.allows(now) !== false,
  };
}

/** One range such as `10.0.0.0/8`, `2001:db8::/32` or a single address; undefined when it is none. */
export function parseAddressRange(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [, address = '', suffix] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const most = version === 4 ? 32 : 128;
  const bits = suffix === undefined ? most : Number(suffix);
  return bits > most ? undefined : { address, bits, family: version === 4 ? 'ipv4' : 'ipv6' };
}

/** True for hours that a token can have. */
export function areTokenHours({ timeZone, days, from, to }: TokenHours): boolean {
  return (
    isTimeZone(timeZone) &&
    days.length > 0 &&
    days.every((day) => Number.isInteger(day) && day >= 0 && day <= 6) &&
    minuteOf(from) !== undefined &&
    minuteOf(to) !== undefined
  );
}

function rangesOf(addresses: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of addresses) {
    const range = parseAddressRange(text);
    if (range === undefined) throw new Error(`"${text}" is no address range`);
    list.addSubnet(range.address, range.bits, range.family);
  }
  return list;
}

function contains(list: BlockList, address: string | undefined): boolean {
  const version = isIP(address ?? '');
  return address !== undefined && version !== 0 && list.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Asks the calendar once for each minute: time zones are slow. */
class Clock {
  readonly #days: ReadonlySet<number>;
  readonly #from: number;
  readonly #to: number;
  readonly #format: Intl.DateTimeFormat;
  #minute = Number.NaN;
  #answer = false;

  constructor(hours: TokenHours) {
    const [from, to] = [minuteOf(hours.from), minuteOf(hours.to)];
    if (from === undefined || to === undefined || !areTokenHours(hours))
      throw new Error('the hours of the token cannot be understood');
    this.#days = new Set(hours.days);
    this.#from = from;
    this.#to = to;
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: hours.timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
  }

  allows(now: number): boolean {
    const minute = Math.floor(now / MINUTE_MS);
    if (minute !== this.#minute) {
      this.#minute = minute;
      this.#answer = this.#look(now);
    }
    return this.#answer;
  }

  #look(now: number): boolean {
    const parts = Object.fromEntries(this.#format.formatToParts(now).map(({ type, value }) => [type, value]));
    const day = DAYS.indexOf(parts['weekday'] ?? '');
    const minute = Number(parts['hour']) * 60 + Number(parts['minute']);
    if (this.#from < this.#to) return this.#days.has(day) && minute >= this.#from && minute < this.#to;
    // Over midnight, or around the clock: the hours belong to the day on which they begin.
    return minute >= this.#from ? this.#days.has(day) : minute < this.#to && this.#days.has((day + 6) % 7);
  }
}

/** Minutes since midnight of `HH:MM`, up to 24:00; undefined for anything else. */
function minuteOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-4]):([0-5]\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  return hours === undefined || minute > 24 * 60 ? undefined : minute;
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
