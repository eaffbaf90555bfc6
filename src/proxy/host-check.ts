/** Refuses requests that a foreign web page could have caused (DNS rebinding, cross-site calls). */
import { GatewayError } from '../shared/errors.ts';
import type { RequestHead } from '../shared/request-head.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

export interface HostCheck {
  /**
   * The Origin of a request that a browser page caused, if there is one: it may call. Throws `forbidden_host`, or
   * `invalid_request` for a request without exactly one Host.
   */
  check(request: RequestHead): string | undefined;
}

/**
 * Accepts the Host names of loopback, the configured domain, the address that the listener is bound to and the
 * configured extra ones, each with any port; and Origins whose host is one of them, or that are configured.
 */
export function createHostCheck(options: {
  readonly domain: string;
  readonly boundHost: string;
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
}): HostCheck {
  const hosts = new Set(
    [...LOOPBACK, options.domain, options.boundHost, ...options.allowedHosts].map((host) => host.toLowerCase()),
  );
  const origins = new Set(options.allowedOrigins.map((origin) => origin.toLowerCase()));
  const anyHost = options.boundHost === '0.0.0.0' || options.boundHost === '[::]';
  /** Heads that were found good: the fast path shows the same one again for each request that repeats it. */
  const good = new WeakSet<RequestHead['headers']>();
  return {
    check(request) {
      if (good.has(request.headers)) return undefined;
      const host = soleHeader(request, 'host');
      if (host === undefined) throw new GatewayError('invalid_request', 'The request needs exactly one Host header.');
      const isIp = /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\])(:\d+)?$/.test(host);
      // Rebinding needs a name: a page cannot make a browser send an address that it did not connect to.
      if (!hosts.has(host.toLowerCase()) && !hosts.has(withoutPort(host)) && !(anyHost && isIp)) {
        throw new GatewayError(
          'forbidden_host',
          `The Host "${clean(host)}" may not be used with this gateway; see allowedHosts.`,
        );
      }
      if (request.headers.origin === undefined) {
        good.add(request.headers);
        return undefined;
      }
      const origin = soleHeader(request, 'origin');
      if (origin === undefined || !(origins.has(origin.toLowerCase()) || hosts.has(hostOfOrigin(origin)))) {
        throw new GatewayError(
          'forbidden_host',
          `The Origin "${clean(origin ?? '')}" may not call this gateway; see allowedOrigins.`,
        );
      }
      return origin;
    },
  };
}

/** The value of a header that must stand exactly once: two could be read differently by two parties. */
function soleHeader(request: RequestHead, name: string): string | undefined {
  let value: string | undefined;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]?.toLowerCase() !== name) continue;
    if (value !== undefined) return undefined;
    value = request.rawHeaders[index + 1];
  }
  return value === '' ? undefined : value;
}

function withoutPort(host: string): string {
  return host.replace(/:\d+$/, '').toLowerCase();
}

function hostOfOrigin(origin: string): string {
  try {
    const url = new URL(origin);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.hostname : '';
  } catch {
    return '';
  }
}

function clean(value: string): string {
  return value.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
