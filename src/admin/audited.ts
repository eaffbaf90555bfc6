/** How objects stand in the audit log, whichever route changes them: what they are called there, and what of them is shown. Never with a secret. */
import type { ItemKind, ItemOverride } from '../config/registration.ts';
import type {
  ObjectReference,
  RoleBindingRecord,
  RoleRecord,
  TeamRecord,
  UserRecord,
  VirtualServerRecord,
} from '../store/store.ts';

export function roleReference({ id, name }: RoleRecord): ObjectReference {
  return { kind: 'role', id, name };
}

export function roleContent({ name, description, permissions, version }: RoleRecord): object {
  return { name, description, permissions, version };
}

export function userReference({ id, email }: UserRecord): ObjectReference {
  return { kind: 'user', id, name: email };
}

export function userContent({ email, fullName, enabled, version }: UserRecord): object {
  return { email, fullName, enabled, version };
}

export function bindingReference({ user, role }: RoleBindingRecord): ObjectReference {
  return { kind: 'role-binding', id: `${user} ${role}`, name: role };
}

export function teamReference({ id, name }: TeamRecord): ObjectReference {
  return { kind: 'team', id, name };
}

export function teamContent({ name, description, version }: TeamRecord): object {
  return { name, description, version };
}

export function virtualServerReference({ id, name }: VirtualServerRecord): ObjectReference {
  return { kind: 'server', id, name };
}

export function virtualServerContent(record: VirtualServerRecord): object {
  const { name, description, access, tags, items, enabled, version } = record;
  return { name, description, ...access, tags, items, enabled, version };
}

/** Templates are resources to whoever manages them. */
export function itemNoun(kind: ItemKind): 'tool' | 'resource' | 'prompt' {
  return kind === 'resource-template' ? 'resource' : kind;
}

export function itemContent({ enabled, name, title, description, annotations, tags }: ItemOverride): object {
  return { enabled, name, title, description, annotations, tags };
}
