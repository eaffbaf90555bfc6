/** What is running: the immutable thing that is built from one Config and that requests hold on to. */
import type { Authenticator } from '../auth/authenticator.ts';
import type { RequestSignatures } from '../auth/hmac-signature.ts';
import type { Config } from '../config/config.ts';
import type { Guard } from '../guards/guard.ts';
import type { Attachment } from '../upstream/attachment.ts';
import type { UpstreamPool } from '../upstream/pool.ts';

export interface Runtime extends AsyncDisposable {
  readonly config: Config;
  readonly authenticator: Authenticator;
  /** undefined while requests need not be signed. */
  readonly signatures: RequestSignatures | undefined;
  /** In the order in which they see a message. */
  readonly guards: readonly Guard[];
  /** By server name, in the order of the configuration. */
  readonly pools: ReadonlyMap<string, UpstreamPool>;
  /** True for the address of a container that a server runs in. */
  isAddressOfContainer(address: string): boolean;
  /** Releases what the servers and guards hold for a session. Never rejects. */
  endSession(session: Attachment): Promise<void>;
  /** Ends what no other Runtime has taken over. A second call does nothing. */
  [Symbol.asyncDispose](): Promise<void>;
}
