/** The events that the gateway itself makes, beside what changes in the store: health of servers, and reloads. */
import type { ReloadStatus } from '../../runtime/reload.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { EventBus } from './event-bus.ts';

export class GatewayEvents {
  readonly bus = new EventBus();

  /** Tells of the health of its servers from now on; of those that it has taken over as well. */
  followRuntime({ config, pools }: Runtime): void {
    const registrations = new Map(config.servers.map(({ name, registration }) => [name, registration]));
    for (const pool of pools.values()) {
      const registration = registrations.get(pool.name);
      if (registration === undefined) continue;
      pool.onHealth = ({ name, health: { state, reason, since } }) =>
        this.bus.publish({
          type: 'health',
          at: Date.now(),
          object: { kind: 'gateway', id: registration.id, name },
          data: { state, reason: reason ?? null, since: new Date(since).toISOString() },
          audience: {
            permission: 'status.read',
            access: registration.access,
            of: { kind: 'gateway', id: registration.id },
          },
        });
    }
  }

  /** A reload has ended. One that only followed a change in the store is not told: the change has an event of its own. */
  reloaded({ last }: ReloadStatus): void {
    if (last === undefined || (last.trigger === 'store' && last.ok)) return;
    const { trigger, ok, at, ms, errors } = last;
    this.bus.publish({
      type: 'reload',
      at: Date.parse(at),
      object: undefined,
      data: { trigger, ok, ms, errors: errors.length },
      audience: { permission: 'status.read', access: undefined },
    });
  }
}
