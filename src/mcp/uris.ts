/** Resource URIs on the unified endpoint: each carries its server, and gives it back. */

/** Many expressions in a row make matching slow, and no server needs them. */
const MAX_TEMPLATE_PARTS = 20;

/**
 * `file:///a` of server `docs` becomes `mcp+docs+file:///a`. MCP Apps find their pages by the scheme `ui:`, so there
 * the server stands in the authority: `ui://docs~panel/index.html`. The server's name is escaped to the characters
 * that a scheme may have; URI templates keep their braces, and relative references pass like any other text.
 */
export function unifiedUri(server: string, uri: string): string {
  const label = escapeLabel(server);
  if (/^ui:\/\//i.test(uri)) return `ui://${label}~${uri.slice('ui://'.length)}`;
  return `mcp+${label}+${uri}`;
}

/** The server and its own URI behind a unified URI; undefined for anything that `unifiedUri` did not make. */
export function resolveUri(uri: string): { readonly server: string; readonly uri: string } | undefined {
  const page = /^ui:\/\/([A-Za-z0-9.-]+)~(.*)$/is.exec(uri);
  if (page?.[1] !== undefined && page[2] !== undefined)
    return { server: unescapeLabel(page[1]), uri: `ui://${page[2]}` };
  const other = /^mcp\+([A-Za-z0-9.-]+)\+(.*)$/s.exec(uri);
  if (other?.[1] === undefined || other[2] === undefined) return undefined;
  return { server: unescapeLabel(other[1]), uri: other[2] };
}

/** Letters, digits and `-` stay; every other UTF-16 unit becomes `.` and four hexadecimal digits. */
function escapeLabel(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9-]/g, (character) => `.${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function unescapeLabel(label: string): string {
  return label.replaceAll(/\.([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/**
 * True when a URI may have been made from a URI template (RFC 6570): literals must be there, an expression stands for
 * any text, without a slash unless its operator allows one.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  const parts = template.split(/\{([^{}]*)\}/);
  const pattern = parts
    .map((part, index) => {
      if (index % 2 === 0) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
      return /^[+#/?&;.]/.test(part) ? '(?:.*)' : '(?:[^/]*)';
    })
    .join('');
  return parts.length < MAX_TEMPLATE_PARTS && new RegExp(`^${pattern}$`, 's').test(uri);
}

/** True when two URIs name one resource although they may be spelled differently: case of scheme and host, `..`, escapes. */
export function isSameUri(one: string, other: string): boolean {
  return one === other || canonical(one) === canonical(other);
}

function canonical(uri: string): string {
  try {
    return decodeURIComponent(new URL(decodeURIComponent(uri)).href);
  } catch {
    return uri;
  }
}
