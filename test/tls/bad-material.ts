/** Everything that can stand in the place of a certificate and its key and must never be served. */
import { readFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Issued, Pki } from '../rig/pki.ts';

export interface BadMaterial {
  readonly kind: string;
  /** Puts it where the gateway looks for the pair. */
  place(live: Pick<Issued, 'cert' | 'key'>): void;
}

export function badMaterials(pki: Pki): readonly BadMaterial[] {
  const names = { san: 'DNS:localhost' };
  const good = pki.issue('localhost', { ...names, file: 'bad-base' });
  const other = pki.issue('localhost', { ...names, file: 'bad-other' });
  const expired = pki.issue('localhost', { ...names, file: 'bad-expired', fromDays: -30, untilDays: -1 });
  const future = pki.issue('localhost', { ...names, file: 'bad-future', fromDays: 30, untilDays: 60 });
  const clientOnly = pki.issue('localhost', { ...names, file: 'bad-usage', usage: 'clientAuth' });
  pki.openssl('ec', '-in', good.key, '-aes256', '-passout', 'pass:unknown', '-out', 'bad-encrypted.key');
  pki.openssl('ec', '-in', good.key, '-pubout', '-out', 'bad-public.key');
  pki.openssl('x509', '-in', good.cert, '-outform', 'der', '-out', 'bad.der');
  pki.openssl('genrsa', '-out', 'bad-weak.key', '512');
  pki.openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    'bad-weak.key',
    '-subj',
    '/CN=localhost',
    '-days',
    '9',
    '-out',
    'bad-weak.crt',
  );
  const [cert, key] = [readFileSync(good.cert, 'utf8'), readFileSync(good.key, 'utf8')];
  const read = (file: string): Buffer => readFileSync(file);
  const half = (text: string): string => text.slice(0, text.length / 2);
  const swapped = cert.replace(/(\n[A-Za-z0-9+/]{20})([A-Za-z0-9+/]{10})/, '$1AAAAAAAAAA');
  const pair = (
    kind: string,
    newCert: string | Buffer | undefined,
    newKey: string | Buffer | undefined,
  ): BadMaterial => ({
    kind,
    place(live) {
      put(live.cert, newCert);
      put(live.key, newKey);
    },
  });
  return [
    pair('empty certificate file', '', key),
    pair('empty key file', cert, ''),
    pair('both empty', '', ''),
    pair('certificate file missing', undefined, key),
    pair('key file missing', cert, undefined),
    pair('key of another certificate', cert, read(other.key)),
    pair('certificate cut off', half(cert), key),
    pair('key cut off', cert, half(key)),
    pair('certificate with other bytes inside', swapped, key),
    pair('text that is no PEM', 'not a certificate\n', key),
    pair('key that is no PEM', cert, 'not a key\n'),
    pair('DER in place of PEM', read(pki.path('bad.der')), key),
    pair('key in place of the certificate', key, key),
    pair('certificate in place of the key', cert, cert),
    pair('public key in place of the key', cert, read(pki.path('bad-public.key'))),
    pair('certificate request in place of the certificate', read(pki.path('bad-base.csr')), key),
    pair('encrypted key without a passphrase', cert, read(pki.path('bad-encrypted.key'))),
    pair('expired', read(expired.cert), read(expired.key)),
    pair('not yet valid', read(future.cert), read(future.key)),
    pair('for clients only', read(clientOnly.cert), read(clientOnly.key)),
    pair('authority in place of a server', read(pki.ca.cert), read(pki.ca.key)),
    pair('chain in the wrong order', `${read(pki.ca.cert).toString()}${cert}`, key),
    pair('chain with a stranger', `${cert}${read(other.cert).toString()}`, key),
    pair('RSA with 512 bits', read(pki.path('bad-weak.crt')), read(pki.path('bad-weak.key'))),
    {
      kind: 'folder in place of the certificate',
      place(live) {
        put(live.cert, undefined);
        mkdirSync(live.cert);
        put(live.key, key);
      },
    },
  ];
}

/** undefined = the file is gone. */
export function put(file: string, content: string | Buffer | undefined): void {
  rmSync(file, { force: true, recursive: true });
  if (content !== undefined) writeFileSync(file, content);
}
