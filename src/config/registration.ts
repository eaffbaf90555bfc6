/** What is said of a server, a virtual server or one of their items beside how it is reached: who owns it, and who may see it. */

/** Who may know that something exists. The same rule holds for listings and for calls. */
export interface Access {
  /** `private`: its owner. `team`: the members of its team. `public`: everybody who is authenticated; never the anonymous. */
  readonly visibility: 'private' | 'team' | 'public';
  /** Email address of the user who owns it, in lower case; undefined for what a file owns. */
  readonly owner: string | undefined;
  /** Id of its team. Set whenever `visibility` is `team`. */
  readonly team: string | undefined;
}

/** Where a server comes from. What a file owns can only be changed in the file. */
export type Origin = { readonly kind: 'file'; readonly name: string } | { readonly kind: 'store'; readonly id: string };

export interface Registration {
  /** Stable for as long as the server exists: the id of its row, or its name in a file. */
  readonly id: string;
  readonly origin: Origin;
  readonly access: Access;
  readonly description: string | undefined;
  readonly tags: readonly string[];
}

/** What holds for a server that a file describes: everybody who is authenticated may see it. */
export function registrationOfFile(server: string, file: string): Registration {
  return {
    id: server,
    origin: { kind: 'file', name: file },
    access: { visibility: 'public', owner: undefined, team: undefined },
    description: undefined,
    tags: [],
  };
}

/** A named selection of items of servers, with endpoints of its own. */
export interface VirtualServer {
  readonly id: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly access: Access;
  readonly tags: readonly string[];
  readonly items: readonly ItemReference[];
}

export type ItemKind = 'tool' | 'resource' | 'resource-template' | 'prompt';

/** One item, by what its server calls it. */
export interface ItemReference {
  readonly server: string;
  readonly kind: ItemKind;
  /** Name, URI or URI template, as the server gives it. */
  readonly key: string;
}

/** What an operator has changed about one item. A field that is undefined is as the server says. */
export interface ItemOverride extends ItemReference {
  /** Disabled items are in no listing and cannot be called. */
  readonly enabled: boolean;
  /** The name under which clients see a tool or prompt, in place of the one that the endpoint would give it. */
  readonly name: string | undefined;
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** Merged over the annotations of the server. */
  readonly annotations: Readonly<Record<string, unknown>> | undefined;
  readonly tags: readonly string[];
}
