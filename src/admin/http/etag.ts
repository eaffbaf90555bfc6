/** ETag, If-Match and If-None-Match (RFC 9110, section 13): nobody overwrites what he has not seen. */
import { hash } from 'node:crypto';
import { GatewayError } from '../../shared/errors.ts';
import { invalidInput } from './problem.ts';

const STRONG = /^"([\x21\x23-\x7e]*)"$/;

const LIVE_PART = /\.[0-9a-f]{16}$/;

/** The tag of a body that also shows what nobody has changed, such as health. */
export function liveTag(etag: string, body: string): string {
  return `${etag}.${hash('sha256', body, 'hex').slice(0, 16)}`;
}

/**
 * The one tag of an If-Match header, without quotes; undefined when whatever is there may be changed. Only what somebody
 * has changed counts: a server that turns healthy makes nobody's change an old one.
 */
export function readIfMatch(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const tag = STRONG.exec(header.trim())?.[1];
  if (tag !== undefined) return tag.replace(LIVE_PART, '');
  throw invalidInput([
    {
      header: 'If-Match',
      detail: 'must be one strong entity tag in double quotes, or *',
      remedy: 'Send the ETag of the answer that showed you the object, as it was.',
    },
  ]);
}

/**
 * Throws for a change with If-None-Match that finds what it is meant not to find: `stale_version` for `*`, and
 * `invalid_input` for entity tags, which mean something for reading only.
 */
export function refuseIfNoneMatch(header: string | undefined): void {
  if (header === undefined) return;
  if (header.trim() === '*')
    throw new GatewayError('stale_version', 'It is there already, and If-None-Match wants it not to be.');
  throw invalidInput([
    {
      header: 'If-None-Match',
      detail: 'can only be * with a change',
      remedy: 'Send the ETag of what is to be changed in If-Match, or leave it out.',
    },
  ]);
}

/** True when the client has this state already. */
export function isUnchanged(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((tag) => {
    const trimmed = tag.trim().replace(/^W\//, '');
    return trimmed === '*' || trimmed === `"${etag}"`;
  });
}

/** The version behind the tag of an object whose tag is its version. Throws `stale_version` for a tag of anything else. */
export function versionOf(ifMatch: string | undefined): number | undefined {
  if (ifMatch === undefined) return undefined;
  if (/^\d{1,15}$/.test(ifMatch)) return Number(ifMatch);
  throw new GatewayError('stale_version', 'The entity tag in If-Match is not one of this object.');
}
