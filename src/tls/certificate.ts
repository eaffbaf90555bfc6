/** Reads certificates, and says what is wrong with one that is to be shown to others. */
import { X509Certificate } from 'node:crypto';
import { MaterialError } from './material-error.ts';
import type { Material } from './material.ts';

const BEGIN = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const BLOCK = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
/** RFC 5280, 4.2.1.12. */
const USAGES = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2', any: '2.5.29.37.0' };
const MIN_RSA_BITS = 2048;

export type Usage = 'server' | 'client';

/** All certificates of a PEM text, at least one. Throws a MaterialError. */
export function parseCertificates({ where, bytes }: Material): readonly X509Certificate[] {
  const text = bytes.toString('latin1');
  const begun = text.match(BEGIN)?.length ?? 0;
  const blocks = text.match(BLOCK) ?? [];
  if (begun === 0) throw new MaterialError(where, 'there is no certificate in PEM form in it');
  if (blocks.length < begun) throw new MaterialError(where, 'a certificate in it is cut off');
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new MaterialError(where, `certificate ${index + 1} in it cannot be read`, error);
    }
  });
}

/** Throws a MaterialError unless the first certificate may be shown as `usage`, and each following one has issued the one before. */
export function checkChain(chain: readonly X509Certificate[], usage: Usage, where: string, now: Date): void {
  const [leaf] = chain;
  if (leaf === undefined) throw new MaterialError(where, 'there is no certificate in it');
  checkDates(leaf, where, now);
  const allowed = leaf.keyUsage as readonly string[] | undefined;
  if (allowed !== undefined && !allowed.includes(USAGES[usage]) && !allowed.includes(USAGES.any)) {
    throw new MaterialError(
      where,
      `the certificate is not made for ${usage === 'server' ? 'servers' : 'clients'} (extended key usage)`,
    );
  }
  if (leaf.ca && !isSelfIssued(leaf)) {
    throw new MaterialError(
      where,
      `the first certificate, ${nameOf(leaf)}, is that of an authority; the certificate of the ${usage} must stand first`,
    );
  }
  const { modulusLength } = leaf.publicKey.asymmetricKeyDetails ?? {};
  if (modulusLength !== undefined && modulusLength < MIN_RSA_BITS) {
    throw new MaterialError(where, `its RSA key has ${modulusLength} bits; at least ${MIN_RSA_BITS} are needed`);
  }
  for (const [index, issuer] of chain.slice(1).entries()) {
    const issued = chain[index];
    if (issued === undefined) continue;
    if (!isIssuedBy(issued, issuer)) {
      throw new MaterialError(
        where,
        `certificate ${index + 2}, ${nameOf(issuer)}, has not issued the one before it, ${nameOf(issued)}; the order is leaf first`,
      );
    }
    checkDates(issuer, where, now);
  }
}

/** Throws a MaterialError for a certificate that is not valid now. */
export function checkDates(certificate: X509Certificate, where: string, now: Date): void {
  if (certificate.validToDate < now) {
    throw new MaterialError(
      where,
      `the certificate ${nameOf(certificate)} has expired on ${certificate.validToDate.toISOString()}`,
    );
  }
  if (certificate.validFromDate > now) {
    throw new MaterialError(
      where,
      `the certificate ${nameOf(certificate)} is not valid before ${certificate.validFromDate.toISOString()}`,
    );
  }
}

export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // A key of another kind than the signature.
    return false;
  }
}

export function isSelfIssued(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && isIssuedBy(certificate, certificate);
}

/** The subject on one line. */
export function nameOf({ subject }: X509Certificate): string {
  return `"${oneLine(subject || 'no subject')}"`;
}

/** Names of hosts, addresses, URIs and mail boxes, as Node writes them: `DNS:a, IP Address:1.2.3.4, URI:spiffe://x`. */
export function alternativeNames({ subjectAltName }: X509Certificate): readonly string[] {
  if (subjectAltName === undefined) return [];
  // A comma inside a name stands in a JSON string; RFC 5280 names seldom have one.
  const names = subjectAltName.match(/(?:[^,"]|"(?:[^"\\]|\\.)*")+/g) ?? [];
  return names.map((name) => name.trim());
}

/** The common name of the subject; undefined when there is none. */
export function commonName({ subject }: X509Certificate): string | undefined {
  return /(?:^|\n)CN=(.*)/.exec(subject)?.[1];
}

/** A distinguished name, as Node writes it, on one line. */
export function oneLine(text: string): string {
  return text
    .replaceAll('\n', ', ')
    .replaceAll(/[^\x20-\x7e]+/g, '?')
    .slice(0, 200);
}
