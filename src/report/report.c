/* report.c - put the page together and write it and the summary. */
#include "report/report.h"
#include "base/file.h"
#include "report/sections.h"

#include <string.h>

enum { MAX_PAGE = 64 << 20 };

static void put_page(struct ap_buf *out, const struct ap_report *report)
{
    ap__buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>Apprentice: ");
    ap__html_text(out, ap__path_base(report->dir));
    ap__buf_puts(out, "</title>\n<style>\n");
    ap__buf_puts(out, ap__report_style);
    ap__buf_puts(out, "</style>\n</head>\n<body>\n<main>\n");
    ap__section_headline(out, report);
    ap__section_templates(out, report);
    ap__section_training(out, report);
    ap__section_chains(out, report);
    ap__section_run(out, report);
    ap__buf_puts(out, "</main>\n</body>\n</html>\n");
}

static ap_status write_in_run(const struct ap_report *report, const char *name, const char *text, size_t len,
                              struct ap_err *err)
{
    char *path = ap__path_join(report->dir, name);
    if (!path)
        return ap__fail(err, AP_E_MEMORY, report->dir, "out of memory writing the report");
    ap_status status = ap__file_write(path, text, len, err);
    ap__free(path);
    return status;
}

static ap_status write_page(const struct ap_report *report, struct ap_err *err)
{
    struct ap_buf page;
    ap__buf_init(&page, MAX_PAGE);
    put_page(&page, report);
    ap_status status = page.failed ? ap__fail(err, AP_E_MEMORY, report->dir, "the report does not fit into memory")
                                   : write_in_run(report, "report.html", page.data, page.len, err);
    ap__buf_deinit(&page);
    return status;
}

static ap_status write_summary(const struct ap_report *report, struct ap_err *err)
{
    json_t *summary = ap__report_summary(report);
    char *text = summary ? ap__json_dump(summary) : NULL;
    json_decref(summary);
    if (!text)
        return ap__fail(err, AP_E_MEMORY, report->dir, "out of memory writing the summary");
    ap_status status = write_in_run(report, "summary.json", text, strlen(text), err);
    ap__free(text);
    return status;
}

ap_status ap__report_write(struct ap_store *store, struct ap_err *err)
{
    struct ap_report report;
    AP_TRY(ap__report_load(store, &report, err));
    ap_status status = write_page(&report, err);
    if (status == AP_OK)
        status = write_summary(&report, err);
    ap__report_free(&report);
    return status;
}
