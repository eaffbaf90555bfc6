import { describe, expect, it } from 'vitest';
import { Presence } from './presence.ts';

describe('presence', () => {
  it('ends with the threshold of failures in a row, once', () => {
    const presence = new Presence({ failureThreshold: 3, successThreshold: 1 });
    expect([presence.failed(), presence.failed(), presence.failed(), presence.failed()]).toEqual([
      false,
      false,
      true,
      false,
    ]);
    expect(presence.listed).toBe(false);
  });

  it('is not ended by failures with a success between them', () => {
    const presence = new Presence({ failureThreshold: 2, successThreshold: 1 });
    presence.failed();
    presence.succeeded();
    expect(presence.failed()).toBe(false);
    expect(presence.listed).toBe(true);
  });

  it('returns with the threshold of successes in a row, and says how many are missing', () => {
    const presence = new Presence({ failureThreshold: 1, successThreshold: 3 });
    expect(presence.failed()).toBe(true);
    expect(presence.missing).toBe(3);
    presence.succeeded();
    presence.succeeded();
    expect(presence.missing).toBe(1);
    // A failure between them begins the count anew.
    presence.failed();
    expect(presence.missing).toBe(3);
    expect([presence.succeeded(), presence.succeeded(), presence.succeeded()]).toEqual([false, false, true]);
    expect([presence.listed, presence.missing]).toEqual([true, 0]);
  });
});
