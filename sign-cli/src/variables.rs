//! Flags win over variables: also where the one excludes the other.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, Command};

/// `command` without the variables of options that a flag in `arguments` excludes.
pub(crate) fn give_way(command: Command, arguments: &[OsString]) -> Command {
    let mut typed = forgiving(without_variables(command.clone(), &|_| true));
    // Whatever else is wrong with the command line is for the real reading of it to say.
    let Ok(matches) = typed.try_get_matches_from_mut(arguments) else { return command };
    let (mut matches, mut leaf) = (&matches, &typed);
    while let Some((name, below)) = matches.subcommand() {
        let Some(found) = leaf.find_subcommand(name) else { break };
        (matches, leaf) = (below, found);
    }
    let is_typed = |arg: &Arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let excludes = |one: &Arg, other: &Arg| {
        leaf.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
    };
    let flags: Vec<&Arg> = leaf.get_arguments().filter(|arg| is_typed(arg)).collect();
    let excluded: Vec<_> = leaf
        .get_arguments()
        .filter(|arg| !is_typed(arg))
        .filter(|arg| flags.iter().any(|flag| excludes(flag, arg) || excludes(arg, flag)))
        .map(Arg::get_id)
        .collect();
    without_variables(command, &|arg| excluded.contains(&arg.get_id()))
}

/// `command` without the variables of the options that are `meant`, at every depth.
fn without_variables(command: Command, meant: &dyn Fn(&Arg) -> bool) -> Command {
    command
        .mut_args(|arg| if meant(&arg) { arg.env(None::<&str>) } else { arg })
        .mut_subcommands(|command| without_variables(command, meant))
}

fn forgiving(command: Command) -> Command {
    command.ignore_errors(true).mut_subcommands(forgiving)
}
