// What the page's modules tell each other, and what MONAI Label's own interface replies: it describes no replies.

declare namespace Reply {
  /** The next image for a reader; without an id there is none. */
  interface Sample {
    id?: string;
    xal: { lease_until: number };
  }
  /** What became of a label that was handed in. */
  interface Receipt {
    annotation: number;
    /** None of an outline without a finding, a region. */
    finding: string | null;
    message: string;
    region: boolean;
    revision: number;
    roi_voxels: number;
    /** Who had drawn what the reader was shown. */
    shown: DrawerReply[];
  }
  interface HandedIn {
    image: string;
    xal: Receipt;
  }
}

declare namespace Page {
  /** What an element can hold; nothing comes of what is null, undefined or false. */
  type Child = Node | string | number | null | undefined | false | readonly Child[];

  /** Red, green, blue. */
  type Colour = readonly number[];

  /** An outline that a reader has begun; what only later pages keep may be missing. */
  interface Draft {
    pool: string;
    task: string;
    reader: string;
    image: string;
    checksum?: string | null;
    /** The fingerprint of the pixels it was drawn on. */
    pixels?: string | null;
    /** Or the name of an outline without one, see `findings.js`. */
    finding: string | null;
    revises?: Reply.Said | null;
    refused?: string | null;
    /** The reason of a refusal has not been seen. */
    untold?: boolean;
    /** It has strokes of its own, beyond what it began with. */
    drawn?: boolean;
    runs: Uint32Array;
    changed: number;
  }

  /** Whose draft, and of which image. */
  type DraftKey = [pool: string, task: string, reader: string, image: string];

  /** A label on its way. */
  interface Entry extends Draft {
    submission: string;
    /** What it was made of, to go back to if it is refused. */
    draft: Draft;
    /** The fields that go with the file. */
    params: Record<string, unknown>;
    file: Uint8Array<ArrayBuffer>;
    made: number;
  }

  /** What became of a label: the server has it, or says why not. */
  type Delivery = { entry: Entry; reply: Reply.HandedIn; refused?: undefined } | { entry: Entry; reply?: undefined; refused: string };

  /** Whether the reader is still where this was asked for. */
  type Here = () => boolean;

  /** [x, y, z] in voxels. */
  type Point = number[];

  /** What the frame asks of a view. */
  interface View {
    enter?(rest: string | null, options: URLSearchParams): unknown;
    leave?(): void;
  }
}

/** What the page's modules say to each other across the window. */
interface WindowEventMap {
  "xal-delivered": CustomEvent<Page.Delivery>;
  "xal-entrusted": Event;
  "xal-told": Event;
  "xal-theme": Event;
}
