// What this copy of the page may ask. A static host changes this file, and its Content-Security-Policy with it.

/** Registries that allow other origins (CORS), and where each is reached: name of the registry to origin. Each origin has to
 * stand in `connect-src` of the page's Content-Security-Policy as well. */
export const registries = {};
