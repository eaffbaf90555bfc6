/** A workload of requests that a load generator sends: what is asked, of whom, and how often. */
import type { Contender } from '../contender.ts';

export interface LoadWorkload {
  readonly name: string;
  readonly title: string;
  readonly request: CallRequest | ListRequest;
  readonly era: 'modern' | 'legacy';
  readonly connections: number;
  /** Requests a second; 0 = each connection sends as soon as it has its answer. */
  readonly rate: number;
  /** How the server is reached. */
  readonly wire: 'http' | 'mtls';
  /** How many servers a gateway has, and how many tools each of them. */
  readonly servers: number;
  readonly tools: number;
  /** Each request comes on a TLS connection of its own. */
  readonly handshake?: { readonly certificate: 'ec' | 'rsa'; readonly kind: 'full' | 'resumed' };
  /** What is tested has all processors, and shares one of them with load and server. */
  readonly unpinned?: boolean;
  readonly contenders: readonly Contender[];
  /** Others can take part. */
  readonly open?: boolean;
}

export interface CallRequest {
  readonly kind: 'call';
  /** Characters of the answer's text, and of padding in the request. */
  readonly answerSize: number;
  readonly padding: number;
  /** Log messages on a stream before the answer; 0 = a JSON answer. */
  readonly events: number;
}

export interface ListRequest {
  readonly kind: 'list';
}
