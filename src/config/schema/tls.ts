/** Schemas of everything about TLS: the identity towards one server, and the listener's. */
import * as z from 'zod';
import { field } from './field.ts';
import { flag, text, textList } from './shapes.ts';

const material = text.regex(/^[^\0]*$/);

const minVersion = field(z.enum(['TLSv1.2', 'TLSv1.3']), {
  description: 'The oldest version of TLS that is spoken; below 1.2 there is none.',
  fallback: '`TLSv1.2`',
}).optional();

const keyPairFields = {
  key: field(material, {
    description: 'Key of the certificate: path of a PEM file, or the PEM text. May be encrypted.',
    expects: 'a path or a PEM text',
    secret: true,
    aliases: ['client_key', 'clientKey'],
  }).optional(),
  pfx: field(material, {
    description: 'Path of a PKCS#12 file with certificate and key, in place of both.',
    expects: 'a path',
  }).optional(),
  passphrase: field(z.string().min(1), {
    description: 'Opens an encrypted key or PKCS#12 file. Best given as `${VARIABLE}`.',
    expects: 'a non-empty string',
    secret: true,
  }).optional(),
};

const upstreamTlsFields = {
  ca: field(material, {
    description:
      "Authorities that may have issued the server's certificate: path of a PEM file, or the PEM text. They replace those of the system.",
    expects: 'a path or a PEM text',
    aliases: ['ca_cert', 'caCert'],
    fallback: 'the authorities of the system',
  }).optional(),
  systemCa: field(flag, {
    description: 'Trust the authorities of the system beside `ca`.',
    expects: 'true or false',
    fallback: '`false` when `ca` is given',
  }).optional(),
  cert: field(material, {
    description:
      'Client certificate that the gateway shows, followed by intermediate ones: path of a PEM file, or the PEM text.',
    expects: 'a path or a PEM text',
    aliases: ['client_cert', 'clientCert'],
  }).optional(),
  ...keyPairFields,
  minVersion,
  verify: field(flag, {
    description: 'False accepts any certificate of the server: for tests only.',
    expects: 'true or false',
    fallback: '`true`',
  }).optional(),
  serverName: field(text.regex(/^[^\s/:]+$|^[0-9A-Fa-f:.]+$/), {
    description: 'Name or address that the certificate of the server must have, in place of the host of the URL.',
    expects: 'a host name or address',
  }).optional(),
  strictNames: field(flag, {
    description:
      'Refuse a server certificate that names the host only in its common name, without a subject alternative name.',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
};

export const upstreamTlsSchema = z.strictObject(upstreamTlsFields);

const sniSchema = z.strictObject({
  names: field(
    z.array(
      field(z.string().regex(/^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/), {
        description: 'One name.',
        expects: 'a host name such as "mcp.example.com" or "*.example.com"',
      }),
    ),
    {
      description: 'Host names that this certificate is for.',
      expects: 'an array of host names',
      fallback: 'the names in the certificate',
    },
  ).optional(),
  cert: field(material, {
    description: 'Path of a PEM file, or the PEM text.',
    expects: 'a path or a PEM text',
  }).optional(),
  ...keyPairFields,
});

const certificateUserSchema = z.strictObject({
  name: field(text, {
    description:
      'A name of the certificate: SPIFFE id or other URI, DNS name, e-mail address or `CN=name`; `*` at the end stands for anything.',
    expects: 'a non-empty string',
  }),
  user: field(text, {
    description: 'Email address of the user of the store that it logs in as.',
    expects: 'an email address',
    fallback: 'it is nobody in particular, and sees what is public',
  }).optional(),
  roles: field(textList, {
    description: 'Roles that it has, beside those of its user.',
    expects: 'an array of role names',
    fallback: 'none',
  }).optional(),
});

const listenerTlsFields = {
  cert: field(material, {
    description: 'Certificate of the gateway, followed by intermediate ones: path of a PEM file, or the PEM text.',
    expects: 'a path or a PEM text',
  }).optional(),
  ...keyPairFields,
  sni: field(z.array(field(sniSchema, { description: 'One certificate.', expects: 'an object with cert and key' })), {
    description:
      'Further certificates, each an object with `cert`, `key` (or `pfx`), `passphrase` and `names`, chosen by the host name that the client asks for.',
    expects: 'an array of objects',
    fallback: 'none',
  }).optional(),
  ca: field(material, {
    description: 'Authorities that issue client certificates: path of a PEM file, or the PEM text.',
    expects: 'a path or a PEM text',
  }).optional(),
  crl: field(material, {
    description: 'Revocation lists in PEM, one for each authority in `ca`: path, or the PEM text.',
    expects: 'a path or a PEM text',
  }).optional(),
  clientAuth: field(z.enum(['none', 'optional', 'required']), {
    description: 'Whether clients show a certificate. What is shown must be valid.',
    fallback: '`required` when `ca` is given, else `none`',
  }).optional(),
  certificateLogin: field(flag, {
    description: 'A valid client certificate authenticates by itself. Without this an agent id is needed as well.',
    expects: 'true or false',
    fallback: '`false`',
  }).optional(),
  allowedClients: field(z.array(field(text, { description: 'One name.', expects: 'a non-empty string' })).min(1), {
    description:
      'Names of which a client certificate must have one: a SPIFFE id or other URI, a DNS name, an e-mail address, or `CN=name`; `*` at the end stands for anything.',
    expects: 'a non-empty array of names',
    fallback: 'every certificate of `ca`',
  }).optional(),
  certificateUsers: field(
    z.array(field(certificateUserSchema, { description: 'One certificate, or several.', expects: 'an object' })).min(1),
    {
      description:
        'As whom client certificates log in: objects with `name` and `user`, `roles` or both. The first whose name fits counts; a certificate that fits none does not log in.',
      expects: 'a non-empty array of objects such as {"name": "CN=backup", "roles": ["viewer"]}',
      fallback: 'every certificate logs in with the rights of an agent id',
    },
  ).optional(),
  minVersion,
};

export const listenerTlsSchema = z.strictObject(listenerTlsFields);

export type RawUpstreamTls = z.output<typeof upstreamTlsSchema>;
export type RawListenerTls = z.output<typeof listenerTlsSchema>;
