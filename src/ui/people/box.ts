// The routes of docs/API.md about people, and the shapes they answer.

import { api } from '../base/api';
import type { User } from '../base/types';

export type Role = 'administrator' | 'user' | 'command-only';
export const ROLES: readonly Role[] = ['user', 'administrator', 'command-only'];

export interface Step {
  user: User;
  csrf: string;
  stage: string;
}

export interface Enrolment {
  secret: string;
  uri: string;
}

export interface Factor {
  enrolled: boolean;
  /** An app that shows codes. */
  app: boolean;
  passkeys: number;
  required: boolean;
  recovery_left: number;
}

export interface Passkey {
  id: string;
  label: string;
  host: string;
  created: number;
  last_used: number | null;
}

export interface Devices {
  required: boolean;
  devices: { id: string; label: string; created: number; last_used: number | null; current: boolean }[];
}

export interface Certificates {
  required: boolean;
  /** What the box sees of this connection: it does not ask, a proxy stands between, none was shown, or one was. */
  seen: 'off' | 'proxy' | 'none' | 'shown';
  shown: string | null;
  certificates: { id: string; label: string; fingerprint: string; created: number; last_used: number | null; current: boolean }[];
}

/** What a new factor wants of who is signed in: a code of the one there is, or the password where there is none. */
export type Standing = { code?: string } | { proof?: string };

export interface PasskeyWish {
  challenge: string;
  rp_id: string;
  user_handle: string;
  name: string;
  algorithms: number[];
  exclude: string[];
}

export interface PasskeyMade {
  client_data: string;
  attestation: string;
}

export interface Offer {
  challenge: string;
  rp_id: string;
  credentials: string[];
}

export interface PasskeyAnswer {
  credential: string;
  client_data: string;
  authenticator_data: string;
  signature: string;
}

export interface Login {
  id: string;
  current: boolean;
  address: string;
  user_agent: string;
  created: number;
  last_use: number;
}

/** Oldest first; `older` asks for what was before, if there is more. */
export interface AuditPage {
  events: AuditEvent[];
  older: string | null;
}

/** A line of the audit: time and event, and whatever else it says. */
export interface AuditEvent {
  time: number;
  event: string;
  user?: string;
  peer?: string;
  [more: string]: unknown;
}

export interface Notice {
  what: string;
  time: number;
}

export interface Person {
  id: string;
  name: string;
  role: Role;
  created: number;
  disabled: boolean;
  locked: boolean;
  factor: boolean;
  recovery_left: number;
  sign_ins: number;
  terminals: number;
}

export interface Invite {
  id: string;
  role: Role;
  made: number;
  expires: number;
  by: string;
}

/** A fresh code or password beside a deed that needs it. */
export type Proof = { proof?: string };

/** How the last update ended, in one sentence of the box's. */
export interface Ending {
  at: number;
  installed: boolean;
  told: string;
}

export interface UpdateState {
  version: string;
  kind: 'program' | 'image';
  /** Why this box takes no program from the page. */
  closed: string | null;
  last: Ending | null;
}

export const box = {
  verify: (code: string): Promise<Step> => api.post('/api/factor/verify', { code }),
  recover: (code: string): Promise<Step> => api.post('/api/factor/recover', { code }),
  begin: (standing: Standing = {}): Promise<Enrolment> => api.post('/api/factor/begin', standing),
  finish: (code: string): Promise<Step & { recovery_codes: string[] }> => api.post('/api/factor/finish', { code }),
  offerPasskeys: (): Promise<Offer> => api.post('/api/factor/passkey/begin', {}),
  verifyPasskey: (answer: PasskeyAnswer): Promise<Step> => api.post('/api/factor/passkey/verify', answer),
  provePasskey: async (answer: PasskeyAnswer): Promise<string> => (await api.post<{ code: string }>('/api/factor/passkey/prove', answer)).code,
  devices: (): Promise<Devices> => api.get('/api/devices'),
  trustDevice: (application: object): Promise<{ id: string }> => api.post('/api/devices', application),
  deviceCode: (proof: string): Promise<{ code: string; expires: number }> => api.post('/api/device/code', { proof }),
  demandDevice: (required: boolean, proof: string): Promise<void> => api.put('/api/device/demand', { required, proof }),
  removeDevice: (id: string, proof: string): Promise<void> => api.del(`/api/devices/${id}`, { proof }),
  certificates: (): Promise<Certificates> => api.get('/api/certificates'),
  registerCertificate: (label: string, proof: string, fingerprint?: string): Promise<{ id: string }> => api.post('/api/certificates', { label, proof, fingerprint }),
  demandCertificate: (required: boolean, proof: string): Promise<void> => api.put('/api/certificate/demand', { required, proof }),
  removeCertificate: (id: string, proof: string): Promise<void> => api.del(`/api/certificates/${id}`, { proof }),
  wishPasskey: (standing: Standing = {}): Promise<PasskeyWish> => api.post('/api/factor/passkey/create', standing),
  addPasskey: (label: string, made: PasskeyMade): Promise<{ id: string; recovery_codes?: string[] }> => api.post('/api/passkeys', { label, ...made }),
  passkeys: async (): Promise<Passkey[]> => (await api.get<{ passkeys: Passkey[] }>('/api/passkeys')).passkeys,
  removePasskey: (id: string, proof: string): Promise<void> => api.del(`/api/passkeys/${id}`, { proof }),
  factor: (): Promise<Factor> => api.get('/api/factor'),
  disable: (code: string): Promise<Step> => api.post('/api/factor/disable', { code }),
  renewCodes: async (code: string): Promise<string[]> => (await api.post<{ recovery_codes: string[] }>('/api/factor/codes', { code })).recovery_codes,
  logins: async (): Promise<Login[]> => (await api.get<{ logins: Login[] }>('/api/logins')).logins,
  revoke: (id: string): Promise<void> => api.del(`/api/logins/${id}`),
  activity: async (): Promise<AuditEvent[]> => (await api.get<{ events: AuditEvent[] }>('/api/activity')).events,
  notices: async (): Promise<Notice[]> => (await api.get<{ notices: Notice[] }>('/api/notices')).notices,
  dismiss: (count: number): Promise<void> => api.post('/api/notices/dismiss', { count }),
  log: async (): Promise<string[]> => (await api.get<{ lines: string[] }>('/api/log')).lines,
  people: async (): Promise<Person[]> => (await api.get<{ users: Person[] }>('/api/users')).users,
  changePerson: (id: string, change: { role?: Role; disabled?: boolean } & Proof): Promise<Person> => api.put(`/api/users/${id}`, change),
  removePerson: (id: string, proof: string): Promise<void> => api.del(`/api/users/${id}`, { proof }),
  unlock: (id: string): Promise<void> => api.post(`/api/users/${id}/unlock`, {}),
  resetFactor: (id: string, proof: Proof): Promise<void> => api.post(`/api/users/${id}/reset-factor`, proof),
  invites: async (): Promise<Invite[]> => (await api.get<{ invites: Invite[] }>('/api/invites')).invites,
  invite: (role: Role, proof: Proof): Promise<{ token: string; expires: number }> => api.post('/api/invites', { role, ...proof }),
  backup: (passphrase: string, proof: string): Promise<Blob> => api.file('/api/backup', { passphrase, proof }),
  updateState: (): Promise<UpdateState> => api.get('/api/update'),
  beginUpdate: async (bytes: number, signature: string, proof: string): Promise<string> => (await api.post<{ upload: string }>('/api/update', { bytes, signature, proof })).upload,
  sendUpdate: (upload: string, at: number, data: string): Promise<{ have: number; whole: boolean }> => api.put('/api/update', { upload, at, data }),
  installUpdate: (upload: string): Promise<void> => api.post('/api/update/install', { upload }),
  forgetUpdate: (): Promise<void> => api.del('/api/update'),
  overrideHostKey: (session: string, question: number, fingerprint: string, proof: string): Promise<void> => api.post(`/api/sessions/${session}/hostkey`, { question, fingerprint, remember: true, proof }),
  takeBack: (id: string): Promise<void> => api.del(`/api/invites/${id}`),
  acceptInvite: (token: string, name: string, password: string): Promise<Step> => api.post('/api/invite', { token, name, password }),
  reset: (token: string, password: string, way: { recovery_code: string } | { discard: true }): Promise<void> => api.post('/api/reset', { token, password, ...way }),
  audit: (asked: Record<string, string>): Promise<AuditPage> => api.get(`/api/audit?${new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ''))}`),
};
