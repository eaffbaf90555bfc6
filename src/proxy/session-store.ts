/** The sessions of all clients: found by id for their own principal only, ended when they were idle for too long. */
import { randomBytes } from 'node:crypto';
import type { Principal } from '../auth/authenticator.ts';
import { GatewayError } from '../shared/errors.ts';
import { noSession } from './foreign-session.ts';
import { Session, type SessionInit } from './session.ts';
import { TurnoverMap } from '../shared/turnover.ts';

const MAX_SESSIONS = 20_000;
const LONGEST_SWEEP_MS = 60_000;

export interface SessionStoreOptions {
  /** Asked at each sweep: a reload may change it. */
  readonly idleTimeoutMs: () => number;
  /** Releases what a session holds elsewhere. Called once for each session, after its own end. Never rejects. */
  readonly onEnd: (session: Session) => Promise<void>;
}

export class SessionStore implements AsyncDisposable {
  readonly #options: SessionStoreOptions;
  readonly #sessions = new TurnoverMap<string, Session>();
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: SessionStoreOptions) {
    this.#options = options;
    this.#scheduleSweep();
  }

  get size(): number {
    return this.#sessions.size;
  }

  all(): readonly Session[] {
    return [...this.#sessions.values()];
  }

  /** Opens a session under a new unguessable id. Throws `too_many_sessions`. */
  create(init: Omit<SessionInit, 'sessionId'>): Session {
    if (this.#sessions.size >= MAX_SESSIONS) this.#makeRoom(init.caller.subject);
    const session = new Session({ ...init, sessionId: randomBytes(32).toString('base64url') });
    this.#sessions.set(session.sessionId, session);
    return session;
  }

  /** The session of this principal on this route. Throws `session_not_found`, the same for missing and for foreign ones. */
  find(sessionId: string, caller: Principal, routeKey: string): Session {
    const session = this.#sessions.get(sessionId);
    if (session === undefined || session.principal !== caller.subject || session.routeKey !== routeKey) {
      throw noSession('There is no such session; send "initialize" to open one.', session?.principal, caller.subject);
    }
    session.lastUsed = Date.now();
    session.caller = caller;
    return session;
  }

  async end(session: Session): Promise<void> {
    if (!this.#sessions.delete(session.sessionId)) return;
    session.close();
    await this.#options.onEnd(session);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#sweep);
    await Promise.all([...this.#sessions.values()].map((session) => this.end(session)));
  }

  #scheduleSweep(): void {
    this.#sweep = setTimeout(
      () => {
        this.#endIdle();
        this.#scheduleSweep();
      },
      Math.min(LONGEST_SWEEP_MS, this.#options.idleTimeoutMs()),
    );
    this.#sweep.unref();
  }

  /** Ends the session that is idle longest, of the same principal first: nobody can lock others out by opening many. */
  #makeRoom(principal: string): void {
    const idle = [...this.#sessions.values()].filter((session) => !session.busy);
    const own = idle.filter((session) => session.principal === principal);
    const [oldest] = (own.length > 0 ? own : idle).toSorted((a, b) => a.lastUsed - b.lastUsed);
    if (oldest === undefined) {
      throw new GatewayError('too_many_sessions', `The gateway holds ${MAX_SESSIONS} sessions, and all are in use.`);
    }
    void this.end(oldest);
  }

  #endIdle(): void {
    const oldest = Date.now() - this.#options.idleTimeoutMs();
    for (const session of this.#sessions.values()) {
      if (!session.busy && session.lastUsed < oldest) void this.end(session);
    }
  }
}
