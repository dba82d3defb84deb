// What we use of what others wrote: `make page` puts it into vendor/, which may be empty when types are checked.

/** NiiVue 0.69. */
declare module "*/vendor/niivue.js" {
  export const SLICE_TYPE: { AXIAL: 0; CORONAL: 1; SAGITTAL: 2; MULTIPLANAR: 3; RENDER: 4 };
  export const DRAG_MODE: { none: 0 };

  /** A look-up table: colours and opacities at places from 0 to 255. */
  export interface ColorMap {
    R: number[];
    G: number[];
    B: number[];
    A: number[];
    I: number[];
    labels?: string[];
  }

  export class NVImage {
    static new(file: ArrayBuffer, name: string, colormap: string, opacity?: number): Promise<NVImage>;
    /** The number of dimensions, then voxels along each. */
    dimsRAS: number[];
    img: ArrayLike<number>;
    img2RAS(): ArrayLike<number>;
    cal_min: number;
    cal_max: number;
    colormapType: number;
    saveToUint8Array(name: string, drawing: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  }

  export class Niivue {
    constructor(options: object);
    readonly canvas: HTMLCanvasElement;
    readonly opts: { crosshairWidth: number; isOrientationTextVisible: boolean };
    readonly scene: {
      crosshairPos: ArrayLike<number>;
      pan2Dxyzmm: number[];
      volScaleMultiplier: number;
      renderAzimuth: number;
      renderElevation: number;
    };
    readonly screenSlices: { axCorSag: number; leftTopWidthHeight: [number, number, number, number] }[];
    readonly uiData: { max2D: number; max3D: number };
    readonly volumes: NVImage[];
    drawBitmap: Uint8Array | null;
    drawOpacity: number;
    attachToCanvas(canvas: HTMLCanvasElement, antialias: boolean): Promise<this>;
    addColormap(name: string, colours: ColorMap): void;
    setDrawColormap(colours: ColorMap): void;
    addVolume(volume: NVImage): void;
    removeVolume(volume: NVImage): void;
    updateGLVolume(): void;
    setOpacity(volume: number, opacity: number): void;
    createEmptyDrawing(): void;
    closeDrawing(): void;
    loadDrawing(label: NVImage): boolean;
    refreshDrawing(redraw: boolean): void;
    drawScene(): void;
    setSliceType(type: number): void;
    setScale(scale: number): void;
    setPan2Dxyzmm(pan: number[]): void;
    setRenderAzimuthElevation(azimuth: number, elevation: number): void;
    tileIndex(x: number, y: number): number;
    inRenderTile(x: number, y: number): number;
    /** Negative outside of the image. */
    canvasPos2frac(pixels: number[]): Float32Array;
    frac2vox(fraction: ArrayLike<number>): Float32Array;
    vox2frac(voxel: ArrayLike<number>): Float32Array;
    frac2mm(fraction: ArrayLike<number>): Float32Array;
  }
}

/** Chart.js 4, which makes itself a global. */
declare module "*/vendor/chart.js";

/** Where Chart.js draws, and what of. */
interface ChartArea {
  ctx: CanvasRenderingContext2D;
  chartArea: { top: number; right: number; bottom: number };
  data: { datasets: { data: any[] }[] };
  scales: Record<"x" | "y", { getPixelForValue(value: number): number }>;
}

interface ChartPlugin {
  id: string;
  beforeDatasetsDraw(chart: ChartArea, args: unknown, options: any): void;
}

/** One of the points that are drawn, by its place. */
interface ChartPoint {
  datasetIndex: number;
  index: number;
}

/** What a chart is made of. */
interface ChartParts {
  type: string;
  data: { datasets: { data: any[] }[] };
  options: object;
}

interface Chart extends ChartArea {
  options: object;
  tooltip: { setActiveElements(active: ChartPoint[], at: { x: number; y: number }): void };
  setActiveElements(active: ChartPoint[]): void;
  update(mode: "none"): void;
}

declare var Chart: { new (canvas: HTMLCanvasElement, parts: ChartParts & { plugins: ChartPlugin[] }): Chart } | undefined;

/** Swagger UI 5, on the page of the REST interface only. */
declare var SwaggerUIBundle: ((options: object) => void) | undefined;
