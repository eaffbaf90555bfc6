/** What TLS has to do, on the side of clients and on that of servers: N1 to N18 of what was reported of other gateways. */
import type { RequirementGroup } from './requirements.ts';

/** A gateway is one process that serves all its connections, so there are no workers that could differ. */
const NOT_APPLICABLE = new Set(['T-TLS-011']);

const TITLES = [
  'the HTTPS listener refuses TLS 1.0 and 1.1 and accepts 1.2 and 1.3',
  'every path to a server that requires a certificate shows it',
  'the same without an authority of its own',
  'two servers with one authority and two certificates share nothing',
  'material that cannot be used is refused with file and reason',
  'an encrypted key works on every path',
  'tls-error has its reason, and ends by itself',
  'outbound rotation under load costs no call and no session',
  'a half-written or mismatched replacement leaves the old material serving',
  'rotation of the listener leaves streams alone',
  'every worker serves the same certificate',
  'client certificates: none, optional, required',
  'plain HTTP builds no TLS context',
  'proxies are honoured, with the certificate inside the tunnel',
  'behind another proxy, untrusted forwarded headers change nothing',
  'host names: denied by default, overrides are explicit',
  'certificates that end soon are a metric and a warning',
  'an authority that cannot be used is a failure, never a fall-back to those of the system',
] as const;

export const TLS_REQUIREMENT_GROUP: RequirementGroup = {
  name: 'TLS',
  requirements: TITLES.map((title, index) => {
    const id = `T-TLS-${String(index + 1).padStart(3, '0')}`;
    return { id, title, mandatory: !NOT_APPLICABLE.has(id) };
  }),
};
