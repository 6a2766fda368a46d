"""Help with the options in sections, for commands that have many."""

import click

# section -> parameter names; options that are nowhere here stand first
SECTIONS = {
    "Windows": ("align", "before", "after", "tile", "bin_size", "split", "split_seed"),
    "Units and time": ("quality", "min_rate", "regions", "region_level", "regions_from", "trials", "within"),
    "Finding and reading": (
        ("dandi_instance", "dandiset_version", "assets", "subjects", "species", "max_sessions")
        + ("jobs", "cache_dir", "offline", "allow_download", "strict")
    ),
    "Output": ("output_dir", "existing", "as_json", "dry_run"),
}


class Sectioned(click.Command):
    """A command whose help groups its options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        known = {name for names in SECTIONS.values() for name in names}
        parameters = {p.name: p.get_help_record(ctx) for p in self.get_params(ctx) if isinstance(p, click.Option)}
        first = [name for name in parameters if name not in known]
        for title, names in {"Options": first, **SECTIONS}.items():
            rows = [record for name in names if (record := parameters.get(name)) is not None]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
