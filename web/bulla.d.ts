// What bulla.js takes and gives. Times are Unix times in whole seconds, digests `sha256:` and 64 digits.

/** The module, loaded once and used for any number of calls. */
export interface Loaded {
  compiled: WebAssembly.Module;
  digest: string;
  octets: number;
  version: string;
  abi: number;
  compiler: string;
  limits: Record<string, number>;
}

/** Loads the module. `digest` is the one you pinned: another module is refused. */
export function load(options?: { module?: URL | string | BufferSource; digest?: string }): Promise<Loaded>;

export interface CheckRequest {
  /** An image reference; by digest, or by a tag that the source knows. */
  image: string;
  /** Policy documents (docs/policy.md). */
  policies?: { name: string; text: string }[];
  /** Public keys or certificates, as PEM or DER: one of them has to have signed. An authority's certificate is taken as a root of
   * Notation, under which everybody's signature counts; policies say that in more detail. */
  keys?: (string | Uint8Array)[];
  /** Where evidence comes from: an archive or folder in OCI layout, or a loose bundle… */
  files?: { path: string; file: Blob }[];
  /** …or anything that answers needs: `Gateway`, `Registry`, `Layout`, `Evidence`, or your own. */
  source?: Source;
  /** When it is asked; now, if it is left out. */
  now?: number;
  namespace?: string;
  operation?: "CREATE" | "UPDATE";
  labels?: Record<string, string>;
  module?: Loaded;
  signal?: AbortSignal;
  onProgress?: (progress: { round: number; needs: string[] }) => void;
}

/** Something that the module asks for (docs/abi.md, "Needs and evidence"). */
export interface Need {
  id: string;
  kind: "resolve" | "manifest" | "referrers" | "blob";
  registry: string;
  repository: string;
  reference: string;
  limit: number;
}

/** What came of a need. What could not be had is a piece too. */
export type Piece = { need: string } & (
  | { outcome: "found"; bytes: Uint8Array; mediaType?: string }
  | { outcome: "digest"; digest: string }
  | { outcome: "absent" }
  | { outcome: "tooLarge"; got: number }
  | { outcome: "failed"; reason: string }
);

export interface Source {
  /** One piece for each need, in their order. */
  fetchAll(needs: Need[], signal?: AbortSignal): Promise<Piece[]>;
}

export interface Reason {
  code: string;
  message: string;
}

export interface TreeNode {
  rule: string;
  outcome: "accept" | "reject" | "unknown";
  key?: string;
  signature?: { holder: "signature" | "attestation" | "bundle" | "ociSignature"; number: number; manifest?: string };
  /** The digest of a leaf. */
  digest?: string;
  /** Why the policy leaves the image alone for now. */
  exempted?: string;
  reasons?: Reason[];
  of?: TreeNode[];
}

export interface Verdict {
  outcome: "accept" | "reject" | "unknown";
  image: string;
  repository: string | null;
  digest: string | null;
  pinned: string | null;
  summary: string;
  enforced: boolean;
  policies: { policy: string; document: string; mode: "enforce" | "warn" | "audit"; tree: TreeNode }[];
  reasons: Reason[];
  warnings: string[];
  otherForms: { form: string; count: number }[];
}

export interface Decision {
  verdict: Verdict;
  /** The octets that the module answered with: the same in every host. */
  header: Uint8Array;
  question: { image: string; now: number };
  /** Everything that was fetched, in order; octets with their digest as `content`. */
  evidence: (Piece & { content?: string })[];
  /** The policies that were loaded, with their signers and keys. */
  signers: {
    policy: string;
    document: string;
    mode: string;
    signers: { signer: string; algorithm: string; key: string; publicKey: string }[];
  }[];
  /** For an index: the manifests that it names. They are not decided about; ask for each. */
  platforms: { digest: string; platform: string | null }[];
}

export function check(request: CheckRequest): Promise<Decision>;

export interface SignRequest {
  images: {
    /** By digest; its repository is the identity that is signed. */
    image: string;
    /** The image's own manifest: needed for bundles, whose subject states its size. */
    manifest?: Uint8Array;
    mediaType?: string;
    /** The manifest under the signature tag now, so that no signature is lost (legacy form). */
    existing?: Uint8Array;
  }[];
  /** A key file (PKCS #8, or cosign's encrypted PEM with its passphrase), or a key pair of WebCrypto. Both buffers are yours to wipe. */
  key: { file: Uint8Array; passphrase?: Uint8Array } | CryptoKeyPair;
  /** `legacy` is what every cosign reads, `bundle` what cosign 3 writes. */
  form?: "legacy" | "bundle";
  annotations?: Record<string, string>;
  /** A statement about the images in place of a signature: its type, a URI or one of cosign's names, and the predicate as
   * `cosign attest` takes it. The type `custom` wants a time. */
  attestation?: { predicateType: string; predicate: Uint8Array; now?: number };
  signatureRepository?: string;
  module?: Loaded;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; of: number; image: string }) => void;
}

export interface Plan {
  image: string;
  form: "legacy" | "bundle";
  registry: string;
  repository: string;
  tag: string | null;
  reference: string;
  subject: string | null;
  mediaType: string;
  manifest: Uint8Array;
  blobs: { digest: string; mediaType: string; bytes: Uint8Array }[];
  payload: Uint8Array;
  alreadyThere: boolean;
}

export interface Signed {
  plans: Plan[];
  publicKey: Uint8Array;
  /** The plans as an OCI layout (tar), for `skopeo copy --all` or `oras cp`. Images of one repository belong into one. */
  archive: Blob;
  /** The tags in it. */
  references: string[];
}

export function sign(request: SignRequest): Promise<Signed>;

export interface ReplayRequest {
  /** The file that `bulla record export` wrote. */
  record: Uint8Array;
  /** Tried in place of the recorded policies; then nothing is compared. */
  policies?: { name: string; text: string }[];
  /** Decide with this module even where the record names another one. */
  otherModule?: boolean;
  module?: Loaded;
}

export interface Replayed {
  /** `noModule`: the record's module is not here. `noVerdict`: the host had no answer then. `needs`: evidence is missing. */
  result: "agrees" | "differs" | "tried" | "needs" | "noModule" | "noVerdict";
  id: string;
  record: Record<string, unknown>;
  question: { image: string; now: number };
  documents: { name: string; text: string }[];
  evidence: (Piece & { content?: string })[];
  /** The digest of the module that decided anew. */
  by: string | null;
  recorded?: Verdict | null;
  verdict?: Verdict;
  header?: Uint8Array;
  needs?: string[];
  /** The first place in which the answers part, as a JSON pointer. */
  difference?: { pointer: string; recorded: unknown; replayed: unknown };
}

export function replay(request: ReplayRequest): Promise<Replayed>;

/** Wrong input, a source that is gone, a file that is none: `code` is stable, the message is for people. */
export class Problem extends Error {
  code: string;
  values: Record<string, unknown>;
}

/** What the module refused: a policy with its lines, a key, a passphrase. */
export class ModuleError extends Error {
  code: string;
  details: unknown[];
}

export class Layout implements Source {
  add(name: string, files: Map<string, Blob>): Promise<void>;
  images(): Promise<{ digest: string; mediaType: string; names: string[]; file: string; here: boolean }[]>;
  fetchAll(needs: Need[], signal?: AbortSignal): Promise<Piece[]>;
}

export class Evidence implements Source {
  constructor(pieces: Piece[]);
  fetchAll(needs: Need[]): Promise<Piece[]>;
}

export class Gateway implements Source {
  constructor(options?: {
    root?: string | URL;
    /** Who asks, where the host signs users in by tokens. */
    token?: string;
    /** For this registry and no other. */
    credentials?: { registry: string; user: string; password: string };
  });
  fetchAll(needs: Need[], signal?: AbortSignal): Promise<Piece[]>;
  push(plan: Plan, signal?: AbortSignal): Promise<void>;
}

export class Registry implements Source {
  constructor(origin: string);
  fetchAll(needs: Need[], signal?: AbortSignal): Promise<Piece[]>;
}

/** The files of a tar archive, as slices of it. */
export function readTar(
  archive: Blob,
  options?: { name?: string; signal?: AbortSignal; onProgress?: (share: number) => void },
): Promise<Map<string, Blob>>;

/** A file of evidence, and the pieces in one; null where it is none. */
export function writePieces(question: object, pieces: Piece[]): Uint8Array;
export function readPieces(file: Uint8Array): { pieces: Piece[]; question?: { image: string; now: number } } | null;
