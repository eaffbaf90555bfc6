/** The value of `--listen`: where the gateway accepts connections. */

export interface ListenAddress {
  readonly host: string;
  /** 0 = any free port. */
  readonly port: number;
}

/** Reads `host:port`, `[v6]:port` or `:port` (all interfaces). Undefined when it is none of them. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match =
    /^(?:\[(?<v6>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?<host>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?):(?<port>\d{1,5})$/.exec(
      text,
    );
  const port = Number(match?.groups?.['port']);
  if (match === null || port > 65_535) return undefined;
  return { host: match.groups?.['v6'] ?? match.groups?.['host'] ?? '0.0.0.0', port };
}
