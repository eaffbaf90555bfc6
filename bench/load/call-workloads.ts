/** `tools/call` in all its forms, as data. */
import type { Contender } from '../contender.ts';
import { haproxy } from '../contenders/haproxy.ts';
import { nginx, nginxTwice } from '../contenders/nginx.ts';
import { nodeProxy } from '../contenders/node-proxy.ts';
import { mcpProxy, sdkProxy, supergateway } from '../contenders/peers.ts';
import { variant } from '../contenders/variants.ts';
import type { CallRequest, LoadWorkload } from './load-workload.ts';

const gatehouse = variant('gatehouse');
const PAIR: readonly Contender[] = [nginx, gatehouse];
const PLAIN: readonly Contender[] = [nginx, haproxy, nodeProxy, gatehouse, variant('gatehouse-slow')];

const SMALL = {
  request: { kind: 'call', answerSize: 150, padding: 20, events: 0 },
  era: 'modern',
  connections: 32,
  rate: 0,
  wire: 'http',
  servers: 1,
  tools: 1,
  contenders: PLAIN,
  open: true,
} as const satisfies Omit<LoadWorkload, 'name' | 'title'>;

const call = (answerSize: number, padding: number, events = 0): CallRequest => ({
  kind: 'call',
  answerSize,
  padding,
  events,
});

export const CALL_WORKLOADS: readonly LoadWorkload[] = [
  { ...SMALL, name: 'small', title: 'tools/call, 300 B' },
  { ...SMALL, name: 'small-2000', title: 'tools/call, 300 B, 2,000 requests/s', rate: 2_000 },
  { ...SMALL, name: 'small-legacy', title: 'tools/call, 300 B, legacy session', era: 'legacy', contenders: PAIR },
  { ...SMALL, name: 'sse', title: 'tools/call, 300 B, event stream with 3 messages', request: call(150, 20, 3) },
  {
    ...SMALL,
    name: 'sse-legacy',
    title: 'tools/call, 300 B, event stream with 3 messages, legacy session',
    request: call(150, 20, 3),
    era: 'legacy',
    contenders: PAIR,
  },
  { ...SMALL, name: '10k', title: 'tools/call, 10 KB both ways', request: call(10_000, 10_000) },
  { ...SMALL, name: '100k', title: 'tools/call, 100 KB both ways', request: call(100_000, 100_000), connections: 16 },
  { ...SMALL, name: '1m', title: 'tools/call, 1 MB both ways', request: call(1_000_000, 1_000_000), connections: 8 },
  {
    ...SMALL,
    name: '1m-request',
    title: 'tools/call, request of 1 MB',
    request: call(150, 1_000_000),
    connections: 8,
    contenders: PAIR,
  },
  {
    ...SMALL,
    name: '1m-answer',
    title: 'tools/call, answer of 1 MB',
    request: call(1_000_000, 20),
    connections: 8,
    contenders: PAIR,
  },
  {
    ...SMALL,
    name: 'mtls',
    title: 'tools/call, 300 B, mutual TLS to the server',
    wire: 'mtls',
    contenders: PAIR,
    open: false,
  },
  {
    ...SMALL,
    name: 'container',
    title: 'tools/call, 300 B, server in a container',
    contenders: [nginx, gatehouse, variant('gatehouse-container')],
    open: false,
  },
  {
    ...SMALL,
    name: 'credentials',
    title: 'tools/call, 300 B, by credential',
    contenders: [nginx, gatehouse, variant('gatehouse-rs256'), variant('gatehouse-es256'), variant('gatehouse-token')],
    open: false,
  },
  {
    ...SMALL,
    name: 'endpoints',
    title: 'tools/call, 300 B, by endpoint, 20 servers',
    servers: 20,
    contenders: [nginx, gatehouse, variant('gatehouse-unified'), variant('gatehouse-virtual')],
    open: false,
  },
  {
    ...SMALL,
    name: 'workers',
    title: 'tools/call, 300 B, one process and two',
    connections: 64,
    unpinned: true,
    contenders: [nginx, nginxTwice, gatehouse, variant('gatehouse-2-workers')],
    open: false,
  },
  {
    ...SMALL,
    name: 'peers',
    title: 'tools/call, 300 B, legacy session, with the peers',
    era: 'legacy',
    contenders: [nginx, gatehouse, sdkProxy, mcpProxy, supergateway],
  },
];
