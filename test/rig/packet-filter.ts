/** Whether the packet filter of this machine can be changed by tests. */
import { findNft } from '../../src/upstream/container/wall/nft.ts';

/** True without nft or without the privilege: `describe.skipIf(packetFilterMissing())`. `npm test` on Debian as root installs nft. */
export function packetFilterMissing(): boolean {
  return 'missing' in findNft({ kind: 'docker', environment: {} });
}
