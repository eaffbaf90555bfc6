/** Warm `tools/list` over many servers, as data; `starts/` has the first one after a start. */
import { nginx } from '../contenders/nginx.ts';
import { variant } from '../contenders/variants.ts';
import type { LoadWorkload } from './load-workload.ts';

const LISTING = {
  request: { kind: 'list' },
  era: 'modern',
  rate: 0,
  wire: 'http',
  tools: 10,
  contenders: [nginx, variant('gatehouse-unified')],
} as const satisfies Partial<LoadWorkload>;

export const LISTING_WORKLOADS: readonly LoadWorkload[] = [
  { ...LISTING, name: 'list-20', title: 'tools/list, 20 servers with 10 tools each', servers: 20, connections: 16 },
  { ...LISTING, name: 'list-500', title: 'tools/list, 500 servers with 10 tools each', servers: 500, connections: 4 },
];
