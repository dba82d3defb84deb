/** Where outlines come from, as people say it. */

/** @type {Record<Reply.Said["origin"], string>} */
const WHERE = {
  slicer: "drawn in 3D Slicer",
  page: "drawn in the page",
  rest: "sent by a program",
  archive: "from the archive",
  file: "from a file",
};

/** @param {Reply.Said["origin"][]} origins */
export const comingFrom = (origins) => origins.map((origin) => WHERE[origin]).join(" and ");

/**
 * Who has outlined something that is shown.
 * @param {Reply.DrawerReply} drawer
 */
export const drawnBy = ({ reader, origin }) =>
  reader === null ? "The archive has an outline of this image." : `${reader} outlined a region here (${WHERE[origin]}).`;
