// The REST interface, to read and to try: Swagger UI on this server's own description, asking nobody else.

/* global SwaggerUIBundle */
if (typeof SwaggerUIBundle !== "undefined") {
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#interface",
    deepLinking: true,
    defaultModelsExpandDepth: -1,
    validatorUrl: null, // its default is a service elsewhere
  });
}
