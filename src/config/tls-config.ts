/** What the operator says of TLS: the Identity that the gateway shows to a server, and that of its own listener. */

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** A certificate with its key. Each text is the path of a file, or PEM itself. */
export interface KeyPairConfig {
  /** The certificate, followed by those between it and its authority. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** Path of a PKCS#12 file, in place of `cert` and `key`. */
  readonly pfx: string | undefined;
  /** Opens an encrypted key or PKCS#12 file. Secret. */
  readonly passphrase: string | undefined;
}

/** How the gateway speaks TLS with one server. */
export interface UpstreamTlsConfig extends KeyPairConfig {
  /** Authorities that may have issued the server's certificate: path or PEM; undefined = those of the system. */
  readonly ca: string | undefined;
  /** Trust the authorities of the system beside `ca`. */
  readonly systemCa: boolean;
  readonly minVersion: TlsVersion;
  /** False accepts whatever certificate the server shows. */
  readonly verify: boolean;
  /** The name that the server's certificate must have, in place of the host of the URL. */
  readonly serverName: string | undefined;
  /** Refuse certificates that name the host only in their common name. */
  readonly strictNames: boolean;
}

/** How the gateway itself is reached over TLS. */
export interface ListenerTlsConfig extends KeyPairConfig {
  /** Further certificates, chosen by the host name that the client asks for. */
  readonly sni: readonly SniCertificateConfig[];
  /** Authorities that issue client certificates: path or PEM. Set whenever `clientAuth` is not `none`. */
  readonly ca: string | undefined;
  /** Revocation lists, one for each authority: path or PEM. */
  readonly crl: string | undefined;
  readonly clientAuth: 'none' | 'optional' | 'required';
  /** A verified client certificate authenticates by itself; otherwise an agent id is needed as well. */
  readonly certificateLogin: boolean;
  /** Names of which a client certificate must have one, such as `spiffe://example.org/agent`; undefined = any certificate of `ca`. */
  readonly allowedClients: readonly string[] | undefined;
  /** As whom certificates log in, the first that fits; who fits none does not. undefined = all log in as agents. */
  readonly certificateUsers: readonly CertificateUser[] | undefined;
  readonly minVersion: TlsVersion;
}

export interface CertificateUser {
  /** A name of the certificate, which may end in `*`. */
  readonly name: string;
  /** Email address of a user of the store, in lower case. */
  readonly user: string | undefined;
  /** Roles beside those of the user. */
  readonly roles: readonly string[];
}

export interface SniCertificateConfig extends KeyPairConfig {
  /** Host names such as `mcp.example.com` or `*.example.com`; empty = those of the certificate. */
  readonly names: readonly string[];
}
