// The shapes of docs/API.md.

export interface User {
  id: string;
  name: string;
  role: string;
}

export interface State {
  claimed: boolean;
  version: string;
  /** Another one after every start of the box. */
  boot: string;
  time: number;
  clock_ok: boolean;
  user: User | null;
  csrf: string | null;
  /** `full`, or what a half sign-in owes: `factor`, `enrol`, `recovered` or `device`. */
  stage: string | null;
  /** The trusted device that this sign-in was made with. */
  device: string | null;
  /** At stage `factor`: `code`, `passkey`, or both. */
  factors: string[] | null;
  /** Why this browser's sign-in has ended, once: `timed_out`, `pushed`, `account`, `device` or `ended`. */
  ended: string | null;
  /** Must everybody have a second factor? */
  factor_required: boolean;
  limits: { terminals_per_user: number; password_min: number; password_max: number; ring_bytes: number };
}

export interface Host {
  id: string;
  label: string;
  address: string;
  port: number;
  user: string;
  credential_id: string | null;
  created: number;
  last_used: number | null;
  tags: string[];
  favourite: boolean;
  colour: string;
  notes: string;
  osc52: boolean;
}

export interface Credential {
  id: string;
  label: string;
  kind: 'key' | 'password';
  algorithm: string | null;
  public_key: string | null;
  fingerprint: string | null;
  created: number;
  used_by: number;
  /** Where a password may be sent without another question. */
  sent_to: Place[];
  /** When a host last took it. */
  last_used: number | null;
}

export interface Place {
  address: string;
  port: number;
}

export interface HostKey {
  id: string;
  address: string;
  port: number;
  algorithm: string | null;
  fingerprint: string;
  global: boolean;
  added: number;
}

export interface Session {
  id: string;
  host_id: string | null;
  title: string;
  address: string;
  port: number;
  user: string;
  state: 'connecting' | 'asking' | 'live' | 'ended';
  started: number;
  viewers: number;
  cols: number;
  rows: number;
  end_offset: number;
}
