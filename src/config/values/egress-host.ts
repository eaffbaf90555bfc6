/** One entry of an allow-list of hosts: `host`, `.suffix`, `host:port`, `.suffix:port`, or an address. */

export type EgressHostResult =
  | { readonly ok: true; readonly host: string }
  | { readonly ok: false; readonly message: string; readonly suggestion: string };

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const HOST = new RegExp(`^(?:\\.?${LABEL}(?:\\.${LABEL})*|\\[[0-9a-f:.]+\\])$`);

/** The entry in lower case. `shown` is how it may be quoted. */
export function parseEgressHost(text: string, shown: string): EgressHostResult {
  const fail = (why: string, suggestion: string): EgressHostResult => ({
    ok: false,
    message: `${shown} is not a host that can be allowed: ${why}`,
    suggestion,
  });
  const lower = text.toLowerCase();
  if (lower.includes('*'))
    return fail('there are no wildcards', 'Write ".example.com" for example.com and every host below it.');
  if (lower.includes('/'))
    return fail('it is an address of a page or a network', 'Write the host alone, such as "api.example.com".');
  const port = /:(\d{1,5})$/.exec(lower)?.[1];
  const host = port === undefined ? lower : lower.slice(0, -port.length - 1);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535))
    return fail('the port must be between 1 and 65535', 'Correct the port.');
  if (host.length > 254 || !HOST.test(host))
    return fail(
      'it must be a host name, an IPv4 address, or an IPv6 address in brackets',
      'Write for example "api.example.com", ".example.com" or "10.0.0.5:8080"; names with other letters in their form of punycode.',
    );
  if (/^\.?[a-z0-9_-]+$/.test(host) && host.startsWith('.'))
    return fail('it would allow a whole top-level domain', 'Write at least two parts, such as ".example.com".');
  return { ok: true, host: lower };
}
