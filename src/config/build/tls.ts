/** Turns the `tls` parts into their Config: defaults, and the rules about several fields. Files are not opened here. */
import { named } from './check.ts';
import type { Diagnostics } from '../diagnostics.ts';
import { type Scope, writtenPath } from '../dialect.ts';
import type { RawListenerTls, RawUpstreamTls } from '../schema/tls.ts';
import type { Path } from '../sources/document.ts';
import type {
  CertificateUser,
  KeyPairConfig,
  ListenerTlsConfig,
  SniCertificateConfig,
  UpstreamTlsConfig,
} from '../tls-config.ts';

type KeyPair = { readonly [K in keyof KeyPairConfig]?: KeyPairConfig[K] | undefined };

/** The identity towards a server; undefined where nothing is written, and for plain http. */
export function upstreamTls(
  scope: Scope,
  raw: RawUpstreamTls | undefined,
  url: string,
  log: Diagnostics,
): UpstreamTlsConfig | undefined {
  const path = writtenPath(scope, ['tls']);
  if (!url.startsWith('https:')) {
    if (raw !== undefined && url !== '') {
      log.warn({
        path,
        message: `'${named(scope, 'tls')}' has no effect on a server with an http:// URL`,
        suggestion: 'Write https:// if the server speaks TLS, or remove it.',
        atKey: true,
      });
    }
    return undefined;
  }
  if (raw === undefined) return undefined;
  const inner = scope.inner.get('tls') ?? scope;
  checkKeyPair(raw, path, (field) => named(inner, field), log);
  if (raw.verify === false) {
    log.warn({
      path: writtenPath(scope, ['tls', 'verify']),
      message: 'the certificate of this server is not checked: anybody on the way can read and change everything',
      suggestion: "Give its authority as 'ca' instead.",
    });
  }
  return {
    ...keyPair(raw),
    ca: raw.ca,
    systemCa: raw.systemCa ?? raw.ca === undefined,
    minVersion: raw.minVersion ?? 'TLSv1.2',
    verify: raw.verify ?? true,
    serverName: raw.serverName,
    strictNames: raw.strictNames ?? false,
  };
}

/** The TLS of the listener; undefined = it speaks plain HTTP. */
export function listenerTls(
  scope: Scope,
  raw: RawListenerTls | undefined,
  log: Diagnostics,
): ListenerTlsConfig | undefined {
  if (raw === undefined) return undefined;
  const path = writtenPath(scope, ['tls']);
  const inner = scope.inner.get('tls') ?? scope;
  const name = (field: string): string => named(inner, field);
  checkKeyPair(raw, path, name, log);
  const sni = (raw.sni ?? []).map((entry, index): SniCertificateConfig => {
    const at = [...path, name('sni'), index];
    checkKeyPair(entry, at, (field) => field, log);
    if (!hasCertificate(entry)) log.error(missing(at));
    return { ...keyPair(entry), names: (entry.names ?? []).map((host) => host.toLowerCase()) };
  });
  if (!hasCertificate(raw)) log.error(missing(path));
  const clientAuth = raw.clientAuth ?? (raw.ca === undefined ? 'none' : 'required');
  if (clientAuth !== 'none' && raw.ca === undefined) {
    log.error({
      path: writtenPath(scope, ['tls', 'clientAuth']),
      message: `client certificates are ${clientAuth}, and there is no '${name('ca')}' that issues them`,
      suggestion: `Set '${name('ca')}' to the file with the authority of the clients.`,
    });
  }
  for (const field of ['crl', 'certificateLogin', 'allowedClients'] as const) {
    if (raw[field] === undefined || raw[field] === false || clientAuth !== 'none') continue;
    log.error({
      path: writtenPath(scope, ['tls', field]),
      message: `'${name(field)}' needs client certificates, and none are asked for`,
      suggestion: `Set '${name('ca')}' and '${name('clientAuth')}', or remove it.`,
      atKey: true,
    });
  }
  const certificateUsers = raw.certificateUsers?.map(({ name: who, user, roles = [] }, index): CertificateUser => {
    if (user === undefined && roles.length === 0) {
      log.error({
        path: writtenPath(scope, ['tls', 'certificateUsers', index]),
        message: 'it says neither as whom nor with which roles the certificate logs in',
        suggestion: "Add 'user' or 'roles'.",
      });
    }
    return { name: who, user: user?.toLowerCase(), roles };
  });
  if (certificateUsers !== undefined && raw.certificateLogin !== true) {
    log.error({
      path: writtenPath(scope, ['tls', 'certificateUsers']),
      message: `'${name('certificateUsers')}' says as whom certificates log in, and they do not`,
      suggestion: `Set '${name('certificateLogin')}' to true, or remove it.`,
      atKey: true,
    });
  }
  return {
    ...keyPair(raw),
    sni,
    ca: clientAuth === 'none' ? undefined : raw.ca,
    crl: raw.crl,
    clientAuth,
    certificateLogin: raw.certificateLogin ?? false,
    allowedClients: raw.allowedClients,
    certificateUsers,
    minVersion: raw.minVersion ?? 'TLSv1.2',
  };
}

function keyPair({ cert, key, pfx, passphrase }: KeyPair): KeyPairConfig {
  return { cert, key, pfx, passphrase };
}

function hasCertificate({ cert, pfx }: KeyPair): boolean {
  return cert !== undefined || pfx !== undefined;
}

function missing(path: Path): Parameters<Diagnostics['error']>[0] {
  return {
    path,
    message: 'there is no certificate',
    suggestion: "Set 'cert' and 'key' to PEM files, or 'pfx' to a PKCS#12 file.",
  };
}

/** Certificate and key together, or a PKCS#12 file, or neither. */
function checkKeyPair(raw: KeyPair, path: Path, name: (field: string) => string, log: Diagnostics): void {
  const { cert, key, pfx } = raw;
  if (pfx !== undefined && (cert !== undefined || key !== undefined)) {
    log.error({
      path: [...path, name('pfx')],
      message: `'${name('pfx')}' holds certificate and key; '${name(cert === undefined ? 'key' : 'cert')}' beside it contradicts it`,
      suggestion: 'Keep one of the two ways.',
      atKey: true,
    });
  } else if ((cert === undefined) !== (key === undefined)) {
    const [there, absent] = cert === undefined ? ['key', 'cert'] : ['cert', 'key'];
    log.error({
      path: [...path, name(there)],
      message: `'${name(there)}' is given without '${name(absent)}'`,
      suggestion: `Add '${name(absent)}'; a certificate and its key belong together.`,
      atKey: true,
    });
  }
  if (raw.passphrase !== undefined && key === undefined && pfx === undefined) {
    log.error({
      path: [...path, name('passphrase')],
      message: `'${name('passphrase')}' is given without anything that it could open`,
      suggestion: `Add '${name('key')}' or '${name('pfx')}', or remove it.`,
      atKey: true,
    });
  }
}
