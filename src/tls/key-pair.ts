/** Loads a certificate with its key, from PEM or PKCS#12, and proves that they belong together. */
import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import type { KeyPairConfig } from '../config/tls-config.ts';
import { checkChain, parseCertificates, type Usage } from './certificate.ts';
import { MaterialError } from './material-error.ts';
import { material, type Material } from './material.ts';
import { privateHandshake } from './private-handshake.ts';
import type { Files } from './read-stable.ts';

export interface KeyPair {
  /** What `tls.createSecureContext` takes. */
  readonly options: Pick<SecureContextOptions, 'cert' | 'key' | 'pfx' | 'passphrase'>;
  readonly leaf: X509Certificate;
  /** Path of the file with the certificate, or the name of its field. */
  readonly where: string;
}

export interface LoadOptions {
  readonly usage: Usage;
  /** Before the names of fields in errors, such as `tls.`. */
  readonly prefix: string;
  readonly files: Files;
  readonly now: Date;
}

/** undefined when the configuration has no certificate. Rejects with a MaterialError. */
export async function loadKeyPair(config: KeyPairConfig, options: LoadOptions): Promise<KeyPair | undefined> {
  if (config.pfx !== undefined) return loadPkcs12(config.pfx, config.passphrase, options);
  if (config.cert === undefined || config.key === undefined) return undefined;
  const { prefix, files, usage, now } = options;
  const cert = material(config.cert, `${prefix}cert`, files);
  const key = material(config.key, `${prefix}key`, files);
  const chain = parseCertificates(cert);
  const [leaf] = chain;
  if (leaf === undefined) throw new MaterialError(cert.where, 'there is no certificate in it');
  const parsed = parseKey(key, config.passphrase);
  if (!leaf.checkPrivateKey(parsed)) {
    throw new MaterialError(key.where, `the key does not belong to the certificate in ${cert.where}`);
  }
  checkChain(chain, usage, cert.where, now);
  const pair = {
    cert: cert.bytes,
    key: key.bytes,
    ...(config.passphrase === undefined ? {} : { passphrase: config.passphrase }),
  };
  await privateHandshake(contextOf(pair, cert.where), leaf, cert.where);
  return { options: pair, leaf, where: cert.where };
}

async function loadPkcs12(path: string, passphrase: string | undefined, options: LoadOptions): Promise<KeyPair> {
  const { bytes, where } = material(path, `${options.prefix}pfx`, options.files);
  const pair = { pfx: bytes, ...(passphrase === undefined ? {} : { passphrase }) };
  // Node opens PKCS#12 only inside a context; the handshake brings the certificate to light.
  const leaf = await privateHandshake(contextOf(pair, where), undefined, where);
  checkChain([leaf], options.usage, where, options.now);
  return { options: pair, leaf, where };
}

function parseKey({ where, bytes }: Material, passphrase: string | undefined): KeyObject {
  const text = bytes.toString('latin1');
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw new MaterialError(where, 'there is no private key in PEM form in it');
  }
  const isEncrypted = text.includes('ENCRYPTED');
  if (isEncrypted && passphrase === undefined) {
    throw new MaterialError(where, 'the key is encrypted, and no passphrase is given');
  }
  try {
    return createPrivateKey({ key: bytes, format: 'pem', ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    throw new MaterialError(
      where,
      isEncrypted
        ? 'the key cannot be opened: wrong passphrase, or a damaged file'
        : 'the key cannot be read; the file may be cut off',
      error,
    );
  }
}

/** OpenSSL's own verdict on what passed the checks above. */
export function contextOf(options: SecureContextOptions, where: string): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    throw new MaterialError(where, openSslReason(error), error);
  }
}

function openSslReason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/mac verify failure|bad decrypt/i.test(text)) return 'wrong passphrase, or a damaged file';
  if (/unsupported/i.test(text)) {
    return 'the PKCS#12 file uses an encryption that is no longer supported (RC2 or 3DES); write it anew with "openssl pkcs12 -export" of OpenSSL 3';
  }
  if (/not enough data|too long|wrong tag|asn1/i.test(text)) return 'the file is cut off or damaged';
  return `OpenSSL refuses it (${text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200)})`;
}
