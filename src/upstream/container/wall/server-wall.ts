/**
 * A table of this gateway's own in the packet filter that drops whatever goes from one server's network to another's.
 *
 * Docker's own rules do the same, except for moments in which it takes them out (docs/decisions/0036).
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { ownerState, type GatewayInstance } from '../gateway-instance.ts';
import { CLOSED_BRIDGE, OPEN_BRIDGE } from './bridges.ts';
import { callNft, type Nft, type UsableNft } from './nft.ts';

export interface ServerWallOptions {
  readonly nft: Nft;
  readonly instance: GatewayInstance;
  /** Told when the wall cannot be had although it should, or is left behind. Never throws. */
  readonly onNotice: (text: string) => void;
}

const TABLE_PREFIX = 'gatehouse_';
const OURS = /^gatehouse_[0-9a-f]{12}$/;
/** Precedes the owner's process in the comment of a rule. */
const OWNER = 'gatehouse.process=';
const DEVICES = '/sys/class/net';

/** What remains to be done by the operator where there is no wall. */
export const WITHOUT_WALL =
  'Docker (20.10 was measured) takes its rule out for moments whenever a network is made on this machine, and a server that listens on a port can be reached from other servers then. Use network "none" or a list of hosts, or run the gateway with CAP_NET_ADMIN and nft on the machine of the engine.';

export class ServerWall implements AsyncDisposable {
  readonly table: string;
  readonly #options: ServerWallOptions;
  #hasTable = false;
  #isElsewhere = false;
  #raising: Promise<void> | undefined;
  #lastTrouble: string | undefined;

  constructor(options: ServerWallOptions) {
    this.#options = options;
    this.table = `${TABLE_PREFIX}${options.instance.id}`;
  }

  /** True while the table stands between our networks, as far as is known. */
  get isUp(): boolean {
    return this.#hasTable && !this.#isElsewhere;
  }

  /**
   * Puts the table there, or puts it there again: someone may have flushed the filter since. Replaced in one
   * transaction, so that nothing passes meanwhile. Never rejects: without the wall servers run as they would without nft.
   */
  raise(): Promise<void> {
    this.#raising ??= this.#raise().finally(() => (this.#raising = undefined));
    return this.#raising;
  }

  /** Whether a bridge of the engine can be seen from here; if not, the engine is elsewhere and the wall means nothing. */
  async check(bridge: string): Promise<void> {
    if (!this.#hasTable) return;
    try {
      await access(join(DEVICES, bridge));
      this.#isElsewhere = false;
    } catch {
      this.#isElsewhere = true;
      this.#trouble('the networks of the engine are not networks of this machine, or not visible from this container');
    }
  }

  /** Removes the tables of dead gateways; those of `keep` (processes that still have something on the engine) stay. Resolves with the names. */
  async removeOrphans(keep: ReadonlySet<string>): Promise<readonly string[]> {
    const { nft, onNotice } = this.#options;
    if ('missing' in nft) return [];
    try {
      const removed: string[] = [];
      for (const table of await ourTables(nft)) {
        const owner = await ownerOf(nft, table);
        if (owner === undefined || keep.has(owner) || !isDead(owner)) continue;
        if (await remove(nft, table)) removed.push(table);
      }
      return removed;
    } catch (error) {
      onNotice(`Tables of dead gateways cannot be looked for in the packet filter: ${reasonOf(error)}.`);
      return [];
    }
  }

  /** Removes the table. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { nft, onNotice } = this.#options;
    await this.#raising;
    if (!this.#hasTable || 'missing' in nft) return;
    this.#hasTable = false;
    try {
      await remove(nft, this.table);
    } catch (error) {
      onNotice(`The table "inet ${this.table}" may be left in the packet filter: ${reasonOf(error)}.`);
    }
  }

  async #raise(): Promise<void> {
    const { nft, instance } = this.#options;
    if ('missing' in nft) return;
    try {
      await callNft(nft, [tableText(this.table, instance.process)]);
      this.#hasTable = true;
      if (!this.#isElsewhere) this.#lastTrouble = undefined;
    } catch (error) {
      this.#hasTable = false;
      this.#trouble(reasonOf(error));
    }
  }

  #trouble(reason: string): void {
    if (reason === this.#lastTrouble) return;
    this.#lastTrouble = reason;
    this.#options.onNotice(
      `The wall between the networks of servers is not there: ${reason}. Isolation rests on Docker's own rules alone. ${WITHOUT_WALL}`,
    );
  }
}

/**
 * Declared, deleted and declared again, because only what exists can be deleted. Traffic inside a closed network
 * passes (a server and its proxy); between two closed networks there is no route. The comment says whose it is.
 */
function tableText(table: string, owner: string): string {
  const whole = `inet ${table}`;
  const open = `"${OPEN_BRIDGE}*"`;
  const closed = `"${CLOSED_BRIDGE}*"`;
  return [
    `add table ${whole}`,
    `delete table ${whole}`,
    `add table ${whole}`,
    `add chain ${whole} forward { type filter hook forward priority -10 ; policy accept ; }`,
    `add rule ${whole} forward iifname ${open} oifname ${open} counter drop comment "${OWNER}${owner}"`,
    `add rule ${whole} forward iifname ${closed} oifname != ${closed} counter drop`,
    `add rule ${whole} forward iifname != ${closed} oifname ${closed} counter drop`,
  ].join('; ');
}

async function ourTables(nft: UsableNft): Promise<readonly string[]> {
  const lines = (await callNft(nft, ['list', 'tables', 'inet'])).split('\n');
  return lines.map((line) => line.replace(/^table inet /, '').trim()).filter((name) => OURS.test(name));
}

/** The process that the comment names; undefined where there is none, or the table has gone. */
async function ownerOf(nft: UsableNft, table: string): Promise<string | undefined> {
  const text = await callNft(nft, ['list', 'table', 'inet', table]).catch(() => '');
  return new RegExp(`comment "${OWNER}([^"]+)"`).exec(text)?.[1];
}

/** True when it was removed here, false when it had gone. */
async function remove(nft: UsableNft, table: string): Promise<boolean> {
  try {
    await callNft(nft, ['delete', 'table', 'inet', table]);
    return true;
  } catch (error) {
    if (!(await ourTables(nft)).includes(table)) return false;
    throw error;
  }
}

function isDead(owner: string): boolean {
  const state = ownerState(owner);
  return state === 'dead' || state === 'rebooted';
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
