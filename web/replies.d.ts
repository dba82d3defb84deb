// What `/xal/api/` replies, as types. Written by scripts/openapi.py from openapi.json; do not edit.

declare namespace Reply {
  /** The doubt is settled: the annotation stands. */
  interface Accepted {
    accepted_at: number;
    accepted_by: string;
    annotation: number;
    image: string;
    kind: "model" | "far" | "region";
  }
  /** Which doubt is settled. */
  interface Accepting {
    client_id?: string | null;
    kind: "model" | "far" | "region";
  }
  /** How far readers agree on images that more than one has read. */
  interface Agreement {
    dice: number | null;
    images: number;
    kappa: number | null;
    pairs: PairReply[];
    pending: number;
  }
  /** A new weight of uncertainty against misalignment. */
  interface Alpha {
    alpha: number;
    client_id?: string | null;
  }
  /** The weight in use. */
  interface AlphaReply {
    alpha: number;
  }
  /** An annotation, without what another reader made of an image that the asker reads blind. */
  interface Annotation {
    created_at: number;
    finding: string | null;
    id: number;
    image: string;
    origin: "slicer" | "page" | "rest" | "archive" | "file" | null;
    reader: string;
    region: boolean;
    revision: number;
    roi_volume_mm3: number | null;
    roi_voxels: number | null;
    source: "reader" | "import";
    withdrawn_at: number | null;
    withdrawn_by: string | null;
  }
  /** An annotation, in short; without its finding for who reads the image blind. */
  interface AnnotationReply {
    created_at: number;
    finding: string | null;
    id: number;
    image: string;
    reader: string;
    region: boolean;
    revision: number;
    roi_voxels: number | null;
  }
  /** How the images' archive does, and what of the annotations is there. */
  interface ArchiveState {
    dropped: number;
    not_sent: string | null;
    problem: string | null;
    rejected: number;
    sent: number;
    waiting: number;
  }
  /** The body of a request. */
  interface Asked {
    client_id?: string | null;
  }
  /** Another way of choosing images. */
  interface ChosenMethod {
    client_id?: string | null;
    method: "xal" | "xal_evidence" | "entropy" | "margin" | "uniform" | "bald" | "badge" | "k_center" | "coverage";
  }
  /** An annotation whose label file is missing or was changed; its finding, reader and time are known all the same. */
  interface DamagedLabel {
    annotation: number;
    image: string;
    problem: string;
    reader: string;
    revision: number;
  }
  /** The finding that a reviewer chooses. */
  interface Decision {
    client_id?: string | null;
    finding: string;
    reason?: string | null;
  }
  /** Who drew an outline that is shown. */
  interface DrawerReply {
    origin: "slicer" | "page" | "rest" | "archive" | "file";
    reader: string | null;
  }
  /** How long readings took, of those that are timed: from Next Sample to the hand-in. */
  interface Duration {
    idle: number;
    images: number;
    median_seconds: number | null;
    total_seconds: number;
  }
  /** What outlines cost. */
  interface Durations {
    alone: Duration;
    idle_seconds: number;
    outlined: Duration;
  }
  /** Why an image must never be offered again. */
  interface Exclusion {
    client_id?: string | null;
    reason: string;
  }
  interface HTTPValidationError {
    detail?: ValidationError[];
  }
  /** What people and files decided about an image; without its finding for who reads it blind. */
  interface Image {
    excluded: string | null;
    excluded_by: string | null;
    finding: string | null;
    id: string;
    open: boolean;
    problem: string | null;
    state: "ok" | "unreadable" | "gone" | "deleted";
  }
  /** An image, without what the model or other readers made of it as long as the asker reads blind. */
  interface ImageView {
    alpha: number;
    checksum: string | null;
    excluded: string | null;
    excluded_by: string | null;
    finding: string | null;
    fingerprint: string | null;
    id: string;
    lease: LeaseReply | null;
    may_see: boolean;
    misalignment: number | null;
    model_version: number | null;
    outline_wanted: boolean;
    own: AnnotationReply | null;
    own_region: Said | null;
    problem: string | null;
    roi_source: string | null;
    score: number | null;
    shape: [number, number, number] | null;
    shown_region: ShownRegion | null;
    spacing: [number, number, number] | null;
    status: "waiting" | "settled" | "review" | "excluded" | "unreadable" | "gone" | "deleted";
    uncertainty: number | null;
  }
  /** A training or a scoring run. */
  interface Job {
    finished_at: number | null;
    id: number;
    kind: "train" | "score";
    message: string | null;
    progress: Record<string, any>;
    started_at: number;
    state: "running" | "done" | "failed" | "stopped" | "lost";
  }
  /** How many annotations that stand are this finding by this reader. */
  interface LabelCount {
    count: number;
    finding: string;
    reader: string;
  }
  /** Who has the image, and until when. */
  interface LeaseReply {
    image: string;
    reader: string;
    until: number;
  }
  /** The method in use. */
  interface MethodReply {
    method: "xal" | "xal_evidence" | "entropy" | "margin" | "uniform" | "bald" | "badge" | "k_center" | "coverage";
  }
  interface PageOf_Annotation {
    items: Annotation[];
    next: string | null;
  }
  interface PageOf_DamagedLabel {
    items: DamagedLabel[];
    next: string | null;
  }
  interface PageOf_Image {
    items: Image[];
    next: string | null;
  }
  interface PageOf_Job {
    items: Job[];
    next: string | null;
  }
  interface PageOf_LeaseReply {
    items: LeaseReply[];
    next: string | null;
  }
  interface PageOf_QueueItem {
    items: QueueItem[];
    next: string | null;
  }
  interface PageOf_SuspectReply {
    items: SuspectReply[];
    next: string | null;
  }
  interface PageOf_Version {
    items: Version[];
    next: string | null;
  }
  /** How far two readers agree on the images that both have read. */
  interface PairReply {
    dice: number | null;
    images: number;
    kappa: number;
    one: string;
    other: string;
  }
  /** What the archive says of the patient; null where it says nothing. */
  interface Patient {
    birth_date: string | null;
    id: string | null;
    name: string | null;
    sex: string | null;
    study_date: string | null;
  }
  /** Some of the waiting images that have a score. */
  interface Points {
    points: QueuePoint[];
    shown: number;
    total: number;
    withheld: number;
  }
  /** What the readers have done, in numbers. */
  interface Progress {
    agreement: Agreement;
    durations: Durations;
    labels: LabelCount[];
    readers: string[];
  }
  /** An image of the pool. What `may_see` says the asker may not see is null. */
  interface QueueItem {
    annotation: AnnotationReply | null;
    excluded: string | null;
    excluded_by: string | null;
    finding: string | null;
    id: string;
    lease: LeaseReply | null;
    may_see: boolean;
    misalignment: number | null;
    model_version: number | null;
    overlap: number | null;
    predicted: string | null;
    probability: number | null;
    problem: string | null;
    roi_origin: ("slicer" | "page" | "rest" | "archive" | "file")[] | null;
    roi_source: "drawn" | "proposed" | "none" | null;
    score: number | null;
    status: "waiting" | "settled" | "review" | "excluded" | "unreadable" | "gone" | "deleted";
    uncertainty: number | null;
  }
  /** A scored image among others. */
  interface QueuePoint {
    id: string;
    misalignment: number | null;
    roi_origin: ("slicer" | "page" | "rest" | "archive" | "file")[] | null;
    roi_source: "drawn" | "proposed" | "none" | null;
    score: number;
    uncertainty: number;
  }
  /** Whether there was a lease to give back. */
  interface Released {
    released: boolean;
  }
  /** The task, and the reader as the server knows it. */
  interface Room {
    alpha: number;
    asked_for: "finding" | "region";
    dimensions: 2 | 3;
    findings: RoomFinding[];
    lease_minutes: number;
    methods: ("xal" | "xal_evidence" | "entropy" | "margin" | "uniform" | "bald" | "badge" | "k_center" | "coverage")[];
    outline_share: number;
    pool: string;
    reader: string;
    regions: boolean;
    reveal: "after_submit" | "always";
    reviewer: boolean;
    reviewers: boolean;
    show_patient: boolean;
    task: string;
    title: string;
  }
  /** A finding that a reader can choose. */
  interface RoomFinding {
    absent: boolean;
    color: [number, number, number] | null;
    name: string;
  }
  /** What somebody handed in. */
  interface Said {
    active: boolean;
    created_at: number;
    finding: string | null;
    id: number;
    image: string;
    of_these_pixels: boolean;
    origin: "slicer" | "page" | "rest" | "archive" | "file";
    own: boolean;
    reader: string;
    region: boolean;
    revision: number;
    roi_voxels: number | null;
  }
  /** What became of the image. */
  interface Settled {
    finding: string | null;
    image: string;
    status: "waiting" | "settled" | "review" | "excluded" | "unreadable" | "gone" | "deleted";
  }
  /** What others outlined without a finding: `region.nii.gz`. */
  interface ShownRegion {
    drawers: DrawerReply[];
  }
  /** The whole in numbers, and the work in progress. */
  interface State {
    alpha: number;
    archive: ArchiveState | null;
    damaged_labels: number;
    doubts: number;
    excluded: number;
    findings: Record<string, number>;
    images: number;
    jobs: Job[];
    leases: number;
    lined_up: boolean;
    looked_at: number;
    method: "xal" | "xal_evidence" | "entropy" | "margin" | "uniform" | "bald" | "badge" | "k_center" | "coverage";
    model_version: number | null;
    next_training: number | null;
    open: number;
    reveal: "after_submit" | "always";
    review: number;
    settled: number;
    space_problem: string | null;
    task: string;
    title: string;
    unreadable: number;
    unscored: number | null;
  }
  /** An image whose readings disagree, or an annotation that looks wrong, and why. */
  interface SuspectReply {
    annotations: AnnotationReply[];
    image: string;
    kind: "disagree" | "model" | "far" | "region";
    raised_at: number;
    sentence: string;
  }
  /** What the model thought of an image. */
  interface Thought {
    alpha: number;
    attention_version: number | null;
    chosen: boolean;
    chosen_by: string | null;
    energy: number | null;
    finding: string;
    misalignment: number | null;
    model_version: number;
    overlap: number | null;
    probabilities: Record<string, number>;
    roi_confidence: number | null;
    roi_origin: ("slicer" | "page" | "rest" | "archive" | "file")[] | null;
    roi_source: string;
    score: number | null;
    sentence: string;
    uncertainty: number;
  }
  interface ValidationError {
    ctx?: Record<string, any>;
    input?: unknown;
    loc: (string | number)[];
    msg: string;
    type: string;
  }
  /** A model version as a point of the learning curve. */
  interface Version {
    balanced_accuracy: number | null;
    created_at: number;
    current: boolean;
    energy_in_roi: number | null;
    interval: [number, number] | null;
    labels: number | null;
    parent: number | null;
    published_at: number | null;
    reasons: string[];
    state: "candidate" | "published" | "refused" | "withdrawn";
    version: number;
  }
  /** A model version, with all that was measured of it. */
  interface VersionDetail {
    balanced_accuracy: number | null;
    created_at: number;
    current: boolean;
    energy_in_roi: number | null;
    interval: [number, number] | null;
    labels: number | null;
    metrics: Record<string, any>;
    parent: number | null;
    published_at: number | null;
    reasons: string[];
    settings: Record<string, any>;
    state: "candidate" | "published" | "refused" | "withdrawn";
    verdict: Record<string, any>;
    version: number;
  }
  /** What the model and the readers made of an image. */
  interface Why {
    annotations: Said[];
    thought: Thought | null;
  }
  type GetPath =
    | `/images/${string}/patient`
    | `/images/${string}/why`
    | "/problems/labels"
    | "/queue/points"
    | `/images/${string}`
    | `/versions/${string}`
    | "/annotations"
    | "/jobs"
    | "/leases"
    | "/problems"
    | "/progress"
    | "/queue"
    | "/review"
    | "/room"
    | "/status"
    | "/versions"
    ;
  type Get<Path extends string> =
    Path extends `/images/${string}/patient` ? Patient :
    Path extends `/images/${string}/why` ? Why :
    Path extends "/problems/labels" ? PageOf_DamagedLabel :
    Path extends "/queue/points" ? Points :
    Path extends `/images/${string}` ? ImageView :
    Path extends `/versions/${string}` ? VersionDetail :
    Path extends "/annotations" ? PageOf_Annotation :
    Path extends "/jobs" ? PageOf_Job :
    Path extends "/leases" ? PageOf_LeaseReply :
    Path extends "/problems" ? PageOf_Image :
    Path extends "/progress" ? Progress :
    Path extends "/queue" ? PageOf_QueueItem :
    Path extends "/review" ? PageOf_SuspectReply :
    Path extends "/room" ? Room :
    Path extends "/status" ? State :
    Path extends "/versions" ? PageOf_Version :
    never;
  type PostPath =
    | `/annotations/${string}/withdraw`
    | `/images/${string}/exclude`
    | `/images/${string}/include`
    | `/images/${string}/lease`
    | `/images/${string}/release`
    | `/images/${string}/settle`
    | `/review/${string}/accept`
    | `/versions/${string}/publish`
    ;
  type Post<Path extends string> =
    Path extends `/annotations/${string}/withdraw` ? Annotation :
    Path extends `/images/${string}/exclude` ? Image :
    Path extends `/images/${string}/include` ? Image :
    Path extends `/images/${string}/lease` ? LeaseReply :
    Path extends `/images/${string}/release` ? Released :
    Path extends `/images/${string}/settle` ? Settled :
    Path extends `/review/${string}/accept` ? Accepted :
    Path extends `/versions/${string}/publish` ? Version :
    never;
}
