/** Names of container images: `[registry[:port]/]path[:tag][@digest]`. */

export interface ImageReference {
  /** Registry and path, as written. */
  readonly name: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;
const COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The parts of a reference; undefined when it is none. Follows the grammar of the distribution project. */
export function parseImageReference(text: string): ImageReference | undefined {
  const [named = '', digest, ...more] = text.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return undefined;
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const name = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) return undefined;
  if (name.length > 255) return undefined;
  const components = name.split('/');
  const [first = ''] = components;
  // A first component with a dot, a colon or capitals, or `localhost`, is a registry; everything else is a path.
  const hasRegistry = components.length > 1 && (/[.:A-Z[]/.test(first) || first === 'localhost') && HOST.test(first);
  const path = hasRegistry ? components.slice(1) : components;
  if (!path.every((component) => COMPONENT.test(component))) return undefined;
  return { name, tag, digest };
}
