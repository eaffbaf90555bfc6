/** Reads certificate revocation lists (RFC 5280, section 5): OpenSSL checks them in handshakes, we need them for connections that are open. */
import type { X509Certificate } from 'node:crypto';
import { nameOf } from './certificate.ts';
import { MaterialError } from './material-error.ts';
import type { Material } from './material.ts';

export interface RevocationList {
  /** The authority that it is of. */
  readonly authority: X509Certificate;
  readonly thisUpdate: Date;
  /** From then on every client of the authority is refused; undefined = never. */
  readonly nextUpdate: Date | undefined;
  /** Serial numbers. */
  readonly revoked: ReadonlySet<bigint>;
}

const BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g;

/** All lists of a PEM text. Rejects with a MaterialError for one that is damaged, out of date or of an unknown authority, and for an authority without a list. */
export async function parseRevocationLists(
  { where, bytes }: Material,
  authorities: readonly X509Certificate[],
  now: Date,
): Promise<readonly RevocationList[]> {
  const text = bytes.toString('latin1');
  const blocks = [...text.matchAll(BLOCK)];
  const begun = text.match(/-----BEGIN X509 CRL-----/g)?.length ?? 0;
  if (begun === 0) throw new MaterialError(where, 'there is no revocation list in PEM form in it');
  if (blocks.length < begun) throw new MaterialError(where, 'a revocation list in it is cut off');
  const lists: RevocationList[] = [];
  for (const [, base64 = ''] of blocks) {
    lists.push(await parseOne(Buffer.from(base64, 'base64'), authorities, where));
  }
  for (const list of lists) checkFreshness(list, where, now);
  for (const authority of authorities) {
    // OpenSSL wants a list for each link of the chain: without it, every client of the authority would be refused.
    if (!lists.some((list) => list.authority === authority)) {
      throw new MaterialError(where, `there is no revocation list of the authority ${nameOf(authority)}`);
    }
  }
  return lists;
}

async function parseOne(der: Buffer, authorities: readonly X509Certificate[], where: string): Promise<RevocationList> {
  // Loaded only where there are lists: it is the largest of our libraries.
  const { Certificate, CertificateRevocationList } = await import('pkijs');
  let list: InstanceType<typeof CertificateRevocationList>;
  try {
    list = CertificateRevocationList.fromBER(der);
  } catch (error) {
    throw new MaterialError(where, 'a revocation list in it cannot be read', error);
  }
  for (const authority of authorities) {
    const issuerCertificate = Certificate.fromBER(authority.raw);
    if (!list.issuer.isEqual(issuerCertificate.subject)) continue;
    if (!(await list.verify({ issuerCertificate }).catch(() => false))) continue;
    const revoked = (list.revokedCertificates ?? []).map(({ userCertificate }) =>
      serialOf(userCertificate.valueBlock.valueHexView),
    );
    return {
      authority,
      thisUpdate: list.thisUpdate.value,
      nextUpdate: list.nextUpdate?.value,
      revoked: new Set(revoked),
    };
  }
  throw new MaterialError(where, 'a revocation list in it was issued by none of the configured authorities');
}

function checkFreshness({ authority, thisUpdate, nextUpdate }: RevocationList, where: string, now: Date): void {
  if (nextUpdate !== undefined && nextUpdate < now) {
    throw new MaterialError(
      where,
      `the revocation list of ${nameOf(authority)} is out of date since ${nextUpdate.toISOString()}`,
    );
  }
  if (thisUpdate > now) {
    throw new MaterialError(
      where,
      `the revocation list of ${nameOf(authority)} is not valid before ${thisUpdate.toISOString()}`,
    );
  }
}

function serialOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}
